package kv1

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/sidecar"
)

// sidecarKey is the one field of a companion.
const sidecarKey = "vaultferry"

// sidecars are what the companion of a secret holds: the sidecar of the value
// that stands, that of one which is about to take its place, and some before: a
// write whose end nobody saw may still arrive.
type sidecars struct {
	Salt    string  `json:"L"`
	All     []entry `json:"V"`
	foreign bool
}

// entry is all that is known of a secret while one value stands.
type entry struct {
	Digest string `json:"H"` // of the value
	sidecar.Document
}

// maxEntry bounds an entry as it lies in the product: two of them share a
// companion.
const maxEntry = connection.MaxCompanion / 2

func parseSidecars(raw json.RawMessage) sidecars {
	var text string
	var all sidecars
	if json.Unmarshal(raw, &text) != nil || sidecar.Decode(text, sidecar.ASCII, &all) != nil {
		return sidecars{foreign: true}
	}
	return all
}

// Valid reports whether a gateway could have written all.
func (all *sidecars) Valid() bool {
	return all.Salt != "" && len(all.All) > 0 && !slices.ContainsFunc(all.All, func(e entry) bool { return !e.Valid() })
}

// Valid reports whether a gateway could have written e.
func (e *entry) Valid() bool {
	if e.Digest == "" || len(e.Versions) != 1 || !e.Document.Valid() {
		return false
	}
	v := &e.Versions[0]
	return v.Ordinal >= 1 && v.Ordinal <= e.Highest && v.UID != sidecar.UID{}
}

// mostEntries is how many are kept, room allowing.
const mostEntries = 4

// add puts in the entry of a value that is to be written, or written anew. Mine,
// of the value that stands, is not pushed out.
func (all *sidecars) add(mine *entry, latest entry) {
	keep := slices.DeleteFunc(slices.Clone(all.All), func(e entry) bool {
		return e.Digest == latest.Digest || mine != nil && e.Digest == mine.Digest
	})
	if mine != nil && mine.Digest != latest.Digest {
		keep = append(keep, *mine)
	}
	all.All = append(keep, latest)
	for len(all.All) > mostEntries || len(all.All) > 2 && connection.EntrySize(sidecar.ASCII(all)) > connection.MaxCompanion {
		all.All = all.All[1:]
	}
}

// digest tells values apart and reveals none to whoever cannot guess it: the
// folder of the companions wants the same guard as the values.
func (all *sidecars) digest(data []byte) string {
	c, _ := connection.Canonical(data, false)
	m := hmac.New(sha256.New, []byte(all.Salt))
	_, _ = m.Write(c)
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// toGrow is a copy of the sidecars to add to.
func (st *state) toGrow() sidecars {
	all := sidecars{Salt: st.kept.Salt, All: st.kept.All}
	if !st.exists { // what is left speaks of another secret
		all = sidecars{}
	}
	if all.Salt == "" {
		all.Salt = rand.Text()
	}
	return all
}

// find returns the latest entry of the value.
func (all *sidecars) find(digest string) *entry {
	for i := range slices.Backward(all.All) {
		if all.All[i].Digest == digest {
			return &all.All[i]
		}
	}
	return nil
}

// entryOf is what must be kept of a secret with one version, whose value has a
// form and a digest.
func entryOf(known *history.State, form sidecar.Form, digest string) entry {
	e := entry{digest, sidecar.DocumentOf(known)}
	e.Versions[0].Form = form
	return e
}

// size is what an entry takes in the product.
func (e *entry) size() int { return connection.EntrySize(sidecar.ASCII(e)) }
