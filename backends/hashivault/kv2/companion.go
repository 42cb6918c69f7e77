package kv2

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/secret"
)

// companion is the secret in the reserved folder that holds what does not fit
// into custom_metadata: the same keys, the same JSON.
type companion struct {
	number  int64 // the version read: what cas compares
	entries map[string]string
}

// ofKey names the entry that tells which secret the companion belongs to: when
// native tools removed one, its companion stays and must not speak for the
// next of that name.
const ofKey = "of"

// disown forgets the entries of another secret.
func (c *companion) disown(incarnation string) {
	if c.entries[ofKey] != incarnation {
		c.entries = nil
	}
}

func (st *state) incarnation() string { return st.Made.UTC().Format(time.RFC3339Nano) }

// readCompanion returns the companion of whichever secret has the name: see
// disown.
func (s *Store) readCompanion(ctx context.Context, at connection.Location) (companion, error) {
	var got dataAnswer[map[string]string]
	err := s.Read(ctx, "/data/"+at.Companion, nil, &got)
	if errors.Is(err, secret.NotFound) {
		return companion{}, nil
	}
	return companion{number: got.Metadata.Version, entries: got.Data}, err
}

// writeCompanion merges entries into the companion; an empty one is removed.
// It is guarded by cas, so that two writers lose nothing.
func (s *Store) writeCompanion(ctx context.Context, st *state, entries map[string]string) error {
	if err := s.ensureBorn(ctx, st); err != nil {
		return err
	}
	for range attempts {
		c, err := s.readCompanion(ctx, st.Location)
		if err != nil {
			return err
		}
		c.disown(st.incarnation())
		data := connection.Marshal(c.merged(entries, st.incarnation()))
		if connection.CheckPayload(data) != nil {
			return secret.Errorf(secret.TooLarge, "the attributes of all versions together are too large for Vault")
		}
		if c.number == 0 { // one copy is enough; the default would keep ten
			if err := s.Write(ctx, "/metadata/"+st.Companion, []byte(`{"max_versions":1}`), nil); err != nil {
				return err
			}
		}
		_, err = s.writeData(ctx, st.Companion, data, c.number)
		if !errors.Is(err, secret.Conflict) {
			return err
		}
	}
	return secret.Errorf(secret.Conflict, "others keep writing the same secret")
}

func (c *companion) merged(entries map[string]string, incarnation string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, c.entries)
	maps.Copy(all, entries)
	maps.DeleteFunc(all, func(_, text string) bool { return text == "" })
	all[ofKey] = incarnation
	return all
}

// ensureBorn learns when the product made the key, where that was just now.
func (s *Store) ensureBorn(ctx context.Context, st *state) error {
	if !st.Made.IsZero() {
		return nil
	}
	var now metadata
	if err := s.Read(ctx, "/metadata/"+st.Path, nil, &now); err != nil {
		return err
	}
	st.Made = now.Made
	return nil
}
