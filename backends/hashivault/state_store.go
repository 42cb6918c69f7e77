package hashivault

import (
	"context"
	"strconv"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// stateFolder holds the state records. No companion lies there: a secret whose
// path begins so has an escape for its path.
const stateFolder = companionFolder + "/" + companionFolder + "/"

func (s *Store) statePath(key string) string { return s.prefix + stateFolder + key }

// stateRecord is what the key-value engine holds of one. A state record that
// native tools deleted leaves its number behind.
type stateRecord struct {
	Record string `json:"record"`
}

// ReadState implements backends.StateStore.
func (s *Store) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	if err := kit.CheckStateKey(key); err != nil {
		return nil, "", as(err, "read_state", "")
	}
	got, err := s.stateRecord(ctx, key)
	switch {
	case err != nil:
		return nil, "", as(err, "read_state", "")
	case got.Data == nil:
		return nil, "", as(&secret.Error{Kind: secret.NotFound}, "read_state", "")
	}
	return []byte(got.Data.Record), strconv.FormatInt(got.Metadata.Version, 10), nil
}

// stateRecord returns number zero and no data where there never was a state
// record.
func (s *Store) stateRecord(ctx context.Context, key string) (*dataAnswer[*stateRecord], error) {
	got := new(dataAnswer[*stateRecord])
	err := s.client.read(ctx, s.mount+"/data/"+s.statePath(key), nil, got)
	if err != nil && secret.KindOf(err) == secret.NotFound {
		return got, nil
	}
	return got, err
}

// WriteState implements backends.StateStore. cas guards it, so two writers lose
// nothing.
func (s *Store) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	if err := kit.CheckState(key, text); err != nil {
		return as(err, "write_state", "")
	}
	number, err := strconv.ParseInt(revision, 10, 64)
	switch {
	case revision == "":
		number, err = s.newStateRecord(ctx, key)
	case err != nil || number < 1:
		err = &secret.Error{Kind: secret.Conflict}
	}
	if err == nil {
		_, err = s.writeData(ctx, s.statePath(key), marshal(stateRecord{string(text)}), number)
	}
	return as(err, "write_state", "")
}

// newStateRecord makes a place for a state record and returns the number to
// write after.
func (s *Store) newStateRecord(ctx context.Context, key string) (int64, error) {
	got, err := s.stateRecord(ctx, key)
	switch {
	case err != nil:
		return 0, err
	case got.Data != nil:
		return 0, &secret.Error{Kind: secret.Conflict}
	}
	// One version is enough; the default would keep ten.
	return got.Metadata.Version, s.client.write(ctx, s.mount+"/metadata/"+s.statePath(key), []byte(`{"max_versions":1}`), nil)
}
