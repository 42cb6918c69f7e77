package report

import (
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/rawsig"
)

// Signature is what is known of one.
type Signature struct {
	KeyID string
	// Party is the place of the party whose key made it; -1: a key that none of
	// them has, so that nothing is known.
	Party int
}

// KeyIDs are the ids of the keys that are said to have signed.
func (r *Report) KeyIDs() []string {
	var all []string
	for _, s := range r.signatures {
		all = append(all, s.KeyID)
	}
	return all
}

// Verify fails unless each party, which has one key at least, signed the report by
// one of its keys, and no signature in the name of such a key is another's. A key
// without an id is tried on each signature. What a key signed before it was
// retired stays signed. Kind: Corrupt.
func (r *Report) Verify(parties ...[]backup.SigningKey) ([]Signature, error) {
	message := pae(r.payload)
	var all []Signature
	for _, s := range r.signatures {
		found := Signature{KeyID: s.KeyID, Party: -1}
		named := false
		for i, keys := range parties {
			for _, k := range keys {
				if k.ID != "" && k.ID != s.KeyID {
					continue
				}
				named = named || k.ID != ""
				if rawsig.Verify(k.Public, message, s.Sig) && r.signs(k.Retired) && found.Party < 0 {
					found.Party = i
				}
			}
		}
		if named && found.Party < 0 {
			return nil, corrupt("the key %s did not sign this report: it was changed, or the key had been retired before", s.KeyID)
		}
		all = append(all, found)
	}
	for i := range parties {
		if !slices.ContainsFunc(all, func(s Signature) bool { return s.Party == i }) {
			return nil, corrupt("none of the trusted keys signed the report, which names %s", list(r.KeyIDs()))
		}
	}
	if len(parties) == 0 {
		return nil, corrupt("no key is there to verify the report")
	}
	return all, nil
}

// signs reports whether a key that was retired then may have made the report. A
// keyring knows that to the second.
func (r *Report) signs(retired time.Time) bool {
	return retired.IsZero() || !retired.Before(r.Statement.Predicate.Made.Truncate(time.Second))
}

func list(words []string) string {
	out := words[0]
	for _, w := range words[1:] {
		out += ", " + w
	}
	return out
}
