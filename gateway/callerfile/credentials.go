package callerfile

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Kind is what kind of credential it is.
type Kind string

// The kinds.
const (
	Token     Kind = access.StaticToken
	AccessKey Kind = access.SigningKey
)

// list finds those of a caller.
func (c *Caller) list(k Kind) *[]Credential {
	if k == Token {
		return &c.Tokens
	}
	return &c.AccessKeys
}

// Made is a credential that was made. Its secret is kept nowhere.
type Made struct {
	ID     string
	Secret secret.Value // a token, or an access key's secret
}

// New makes a credential for the caller. Those that it has stay as they are, so
// both are good until one is retired.
func (f *File) New(ring *backup.Keyring, kind Kind, caller string, now time.Time, bounds access.Bounds) (Made, error) {
	made := Made{ID: newID(kind), Secret: secret.TextValue(randomText())}
	c := Credential{ID: made.ID, Made: now.UTC().Truncate(time.Second)}
	if !bounds.Expires.IsZero() {
		c.Expires = new(bounds.Expires.UTC())
	}
	for _, p := range bounds.Addresses {
		c.Addresses = append(c.Addresses, p.String())
	}
	if kind == Token {
		sum := sha256.Sum256(made.Secret.Reveal())
		c.SHA256 = hex.EncodeToString(sum[:])
	} else {
		sealed, err := ring.SealAccessKey(backup.AccessKey{Caller: caller, ID: made.ID, Secret: made.Secret})
		if err != nil {
			return Made{}, err
		}
		c.Sealed = sealed
	}
	of := f.of(caller)
	list := of.list(kind)
	*list = append(*list, c)
	f.tidy(now)
	return made, nil
}

// newID has the form of the vendor's for access keys: 20 capitals and digits.
func newID(kind Kind) string {
	text := base32.StdEncoding.EncodeToString(random(15))
	if kind == Token {
		return strings.ToLower(text[:12])
	}
	return "VF" + text[:18]
}

func randomText() string { return base64.RawURLEncoding.EncodeToString(random(30)) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// of finds the caller, or adds him in his place.
func (f *File) of(caller string) *Caller {
	i, found := slices.BinarySearchFunc(f.Callers, caller, func(c Caller, name string) int { return cmp.Compare(c.Name, name) })
	if !found {
		f.Callers = slices.Insert(f.Callers, i, Caller{Name: caller})
	}
	return &f.Callers[i]
}

// tidy drops what has ended, and callers who have nothing.
func (f *File) tidy(now time.Time) {
	for i := range f.Callers {
		for _, k := range []Kind{Token, AccessKey} {
			list := f.Callers[i].list(k)
			*list = slices.DeleteFunc(*list, func(c Credential) bool { return c.Ended(now) })
		}
	}
	f.Callers = slices.DeleteFunc(f.Callers, func(c Caller) bool { return len(c.Tokens)+len(c.AccessKeys) == 0 })
}

// Retire has a credential of the caller end at a time, and returns its id. An
// empty id is the oldest one, where the caller has more than one. Kinds:
// NotFound, Invalid.
func (f *File) Retire(kind Kind, caller, id string, now, at time.Time) (string, error) {
	list := f.of(caller).list(kind)
	var live []*Credential
	for i := range *list {
		if c := &(*list)[i]; !c.Ended(now) {
			live = append(live, c)
		}
	}
	slices.SortStableFunc(live, func(a, b *Credential) int { return a.Made.Compare(b.Made) })
	if id != "" {
		live = slices.DeleteFunc(live, func(c *Credential) bool { return c.ID != id })
	}
	switch {
	case len(live) == 0 && id != "":
		return "", secret.Errorf(secret.NotFound, "the callers_file has no %s %s of %s; vaultferry callers list shows them", words[kind], id, caller)
	case len(live) == 0:
		return "", secret.Errorf(secret.NotFound, "the callers_file has no %s of %s", words[kind], caller)
	case len(live) == 1 && id == "":
		return "", secret.Errorf(secret.Invalid, "%s is the only %s of %s there: make another first (new), or name it to end it", live[0].ID, words[kind], caller)
	}
	if c := live[0]; c.Expires == nil || at.Before(*c.Expires) {
		c.Expires = new(at.UTC().Truncate(time.Second))
	}
	id = live[0].ID
	f.tidy(now)
	return id, nil
}

var words = map[Kind]string{Token: "token", AccessKey: "access key"}

// AddTo registers what belongs to the callers that known reports. It returns
// those that it does not know.
func (f *File) AddTo(creds *access.Credentials, ring *backup.Keyring, known func(caller string) bool) (unknown []string, err error) {
	for i := range f.Callers {
		c := &f.Callers[i]
		if !known(c.Name) {
			unknown = append(unknown, c.Name)
			continue
		}
		for _, t := range c.Tokens {
			sum, err := hex.DecodeString(t.SHA256)
			if err != nil || len(sum) != sha256.Size {
				return nil, errForeign
			}
			if err := creds.AddToken([sha256.Size]byte(sum), t.of(c.Name)); err != nil {
				return nil, err
			}
		}
		for _, k := range c.AccessKeys {
			key, err := ring.OpenAccessKey(k.Sealed)
			if err == nil && (key.Caller != c.Name || key.ID != k.ID) {
				err = errForeign
			}
			if err != nil {
				return nil, fmt.Errorf("access key %s of %s: %w", k.ID, c.Name, err)
			}
			if err := creds.AddAccessKey(key.ID, key.Secret, k.of(c.Name)); err != nil {
				return nil, err
			}
		}
	}
	return unknown, nil
}

func (c *Credential) of(caller string) access.Credential {
	of := access.Credential{Caller: caller, Name: c.ID}
	if c.Expires != nil {
		of.Bounds.Expires = *c.Expires
	}
	for _, s := range c.Addresses {
		if p, err := netip.ParsePrefix(s); err == nil { // New has written it
			of.Bounds.Addresses = append(of.Bounds.Addresses, p)
		}
	}
	return of
}
