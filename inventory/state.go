package inventory

import (
	"encoding/json"
	"maps"

	"github.com/vaultferry/vaultferry/secret"
)

// StateOf is a digest of all that e says, over the name that its digests are
// over. It leaves out when the secret was read, and times of updates: what an
// update changes is in the digest itself, and reading a disabled version of some
// products counts as one.
func (k Key) StateOf(e *Entry) Digest {
	return k.digest("state", e.of(), e.withoutMoments())
}

// withoutMoments is e as JSON, less what StateOf leaves out.
func (e *Entry) withoutMoments() []byte {
	type plain struct {
		Unread            string
		Current, Previous secret.Ordinal
		Deleted           *Deletion
		Managed           bool
		Attributes        Attributes
		Versions          []Version
	}
	p := plain{e.Unread, e.Current, e.Previous, e.Deleted, e.Managed, withoutUpdated(e.Attributes), nil}
	for _, v := range e.Versions {
		v.Attributes = withoutUpdated(v.Attributes)
		p.Versions = append(p.Versions, v)
	}
	b, _ := json.Marshal(p) // texts, numbers and times alone
	return b
}

func withoutUpdated(a Attributes) Attributes {
	a = maps.Clone(a)
	delete(a, wordUpdated)
	return a
}
