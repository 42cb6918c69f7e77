package inventory

import (
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Format is the one format that this release reads and writes.
const Format = 1

// kindOfFile is how an inventory begins, so that nobody takes it for a plan.
const kindOfFile = "inventory"

// Type is what a signature of an inventory's end signs, in its protected header.
const Type = "vaultferry-inventory"

// Header is the first line of an inventory.
type Header struct {
	Vaultferry string `json:"vaultferry"` // "inventory"
	Format     int    `json:"format"`
	Gateway    string `json:"gateway"`
	Store      string `json:"store"`
	Product    string `json:"product"`
	// Begun is when the first secret was read, and no moment that the rest shares.
	Begun time.Time `json:"begun"`
	// Match and Tags are what was asked for: patterns of names, any of which fits,
	// and tags KEY=VALUE, all of which do.
	Match []string `json:"match,omitempty"`
	Tags  []string `json:"tags,omitempty"`
	// Named: there was a list of names. Plan is the SHA-256 of the plan whose names
	// were read, in hex.
	Named bool   `json:"named,omitempty"`
	Plan  string `json:"plan,omitempty"`
	// NoValues: no value was read, and none is digested.
	NoValues bool `json:"no_values,omitempty"`
	// RunKeyID tells the run key from others. RunKey is the key, wrapped for a
	// keyring; it is absent where the key is kept in a file of its own.
	RunKeyID string `json:"run_key_id"`
	RunKey   string `json:"run_key,omitempty"`
}

// End is the last line.
type End struct {
	End    bool      `json:"end"` // true
	Ended  time.Time `json:"ended"`
	Count  int       `json:"count"`  // of entries
	Unread int       `json:"unread"` // of these
	// LeftOut is what the store's lists should show and did not.
	LeftOut []LeftOut `json:"left_out,omitempty"`
	// Root is that of the tree over all lines before this one, in base64.
	Root string `json:"root"`
	// Signature is a compact JWS of Signed, by a key of the gateway's keyring that signs.
	Signature string `json:"signature,omitempty"`
}

// Signed is what a signature signs.
type Signed struct {
	Ended   time.Time `json:"ended"`
	Count   int       `json:"count"`
	Unread  int       `json:"unread"`
	LeftOut []LeftOut `json:"left_out,omitempty"`
	Root    string    `json:"root"`
}

// LeftOut is something that a store holds and its lists do not show: a folder
// that the product denies, a secret of which nothing can be read, a name that is
// none here.
type LeftOut struct {
	Why  secret.LeftOutReason `json:"why"`
	Name string               `json:"name,omitempty"` // the product's, where the model has none; empty: nobody tells
}

// LeftOutOf is l as an inventory tells of it.
func LeftOutOf(l secret.LeftOut) LeftOut {
	if l.Name == "" {
		return LeftOut{l.Why, l.Native}
	}
	return LeftOut{l.Why, string(l.Name)}
}

func (e *End) signed() Signed { return Signed{e.Ended, e.Count, e.Unread, e.LeftOut, e.Root} }
