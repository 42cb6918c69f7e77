package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// Document reads the sealed document of an entry, and holds it to its name, which
// proves what it holds: also where it was sealed anew since. The blob is what a
// gateway restores. An entry without the secret's name is of any.
func (r *Repository) Document(key *backup.RepositoryKey, e *Entry) (blob []byte, doc *backup.Document, err error) {
	file := documentFile(e.Document)
	if blob, err = r.read(file); err != nil {
		return nil, nil, err
	}
	if doc, err = key.Open(blob); err != nil {
		return nil, nil, corrupt(file, "it cannot be opened: %s", secret.Explain(err))
	}
	name, err := key.Name(doc.Secret)
	if err != nil {
		return nil, nil, corrupt(file, "it holds no secret")
	}
	if name != e.Document || (e.Name != "" && doc.Secret.Name != e.Name) {
		return nil, nil, corrupt(file, "it is the document of another secret, or of another state")
	}
	return blob, doc, nil
}

// Blob is Document for one who hands it to a gateway. It opens the document only
// where it was sealed anew since: else it is what the signed snapshot says.
func (r *Repository) Blob(key *backup.RepositoryKey, e *Entry) ([]byte, error) {
	blob, err := r.read(documentFile(e.Document))
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(blob); hex.EncodeToString(sum[:]) == e.SHA256 {
		return blob, nil
	}
	blob, _, err = r.Document(key, e)
	return blob, err
}

// At is the newest kept snapshot of the gateway's store that was begun not after the
// time; of a zero time, the newest. Nil: there is none.
func (h *History) At(gateway, store string, t time.Time) *Snapshot {
	for i := len(h.Kept) - 1; i >= 0; i-- {
		if s := h.Kept[i]; s.Gateway == gateway && s.Store == store && (t.IsZero() || !s.Begun.After(t)) {
			return s
		}
	}
	return nil
}

// Gateways lists those that kept snapshots of the store are of; of an empty one, of
// any store.
func (h *History) Gateways(store string) []string {
	var all []string
	for _, s := range h.Kept {
		if (store == "" || s.Store == store) && !slices.Contains(all, s.Gateway) {
			all = append(all, s.Gateway)
		}
	}
	slices.Sort(all)
	return all
}

// Of is the history with the snapshots of one gateway alone: of that whose id begins
// with the word. Kinds: NotFound; Invalid, where several do.
func (h *History) Of(word string) (*History, error) {
	all := slices.DeleteFunc(h.Gateways(""), func(id string) bool { return !strings.HasPrefix(id, word) })
	switch {
	case len(all) == 0:
		return nil, secret.Errorf(secret.NotFound, "no gateway %q has a snapshot in this repository", word)
	case len(all) > 1:
		return nil, secret.Errorf(secret.Invalid, "several gateways begin with %q: %s", word, strings.Join(all, ", "))
	}
	of := *h
	of.Kept = slices.DeleteFunc(slices.Clone(h.Kept), func(s *Snapshot) bool { return s.Gateway != all[0] })
	return &of, nil
}

// Newest is the newest kept snapshot of each store of each gateway, in the order of
// the stores' first ones.
func (h *History) Newest() []*Snapshot {
	var all []*Snapshot
	at := map[[2]string]int{}
	for _, s := range h.Kept {
		of := [2]string{s.Gateway, s.Store}
		i, ok := at[of]
		if !ok {
			i = len(all)
			at[of], all = i, append(all, nil)
		}
		all[i] = s
	}
	return all
}

// Stores lists those that kept snapshots are of.
func (h *History) Stores() []string {
	var all []string
	seen := map[string]bool{}
	for _, s := range h.Kept {
		if !seen[s.Store] {
			seen[s.Store], all = true, append(all, s.Store)
		}
	}
	return all
}
