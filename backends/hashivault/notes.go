package hashivault

import (
	"context"
	"strconv"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// noteFolder holds the notes. No companion lies there: a secret whose path
// begins so has an escape for its path.
const noteFolder = companionFolder + "/" + companionFolder + "/"

func (s *Store) notePath(key string) string { return s.prefix + noteFolder + key }

// note is what the key-value engine holds of one. A note that native tools
// deleted leaves its number behind.
type note struct {
	Note string `json:"note"`
}

// ReadState implements backends.StateStore.
func (s *Store) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	if err := kit.CheckStateKey(key); err != nil {
		return nil, "", as(err, "read_note", "")
	}
	got, err := s.readNote(ctx, key)
	switch {
	case err != nil:
		return nil, "", as(err, "read_note", "")
	case got.Data == nil:
		return nil, "", as(&secret.Error{Kind: secret.NotFound}, "read_note", "")
	}
	return []byte(got.Data.Note), strconv.FormatInt(got.Metadata.Version, 10), nil
}

// readNote returns number zero and no data where there never was a note.
func (s *Store) readNote(ctx context.Context, key string) (*dataAnswer[*note], error) {
	got := new(dataAnswer[*note])
	err := s.client.read(ctx, s.mount+"/data/"+s.notePath(key), nil, got)
	if err != nil && secret.KindOf(err) == secret.NotFound {
		return got, nil
	}
	return got, err
}

// WriteState implements backends.StateStore. cas guards it, so two writers lose
// nothing.
func (s *Store) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	if err := kit.CheckState(key, text); err != nil {
		return as(err, "write_note", "")
	}
	number, err := strconv.ParseInt(revision, 10, 64)
	switch {
	case revision == "":
		number, err = s.newNote(ctx, key)
	case err != nil || number < 1:
		err = &secret.Error{Kind: secret.Conflict}
	}
	if err == nil {
		_, err = s.writeData(ctx, s.notePath(key), marshal(note{string(text)}), number)
	}
	return as(err, "write_note", "")
}

// newNote makes a place for a note and returns the number to write after.
func (s *Store) newNote(ctx context.Context, key string) (int64, error) {
	got, err := s.readNote(ctx, key)
	switch {
	case err != nil:
		return 0, err
	case got.Data != nil:
		return 0, &secret.Error{Kind: secret.Conflict}
	}
	// One version is enough; the default would keep ten.
	return got.Metadata.Version, s.client.write(ctx, s.mount+"/metadata/"+s.notePath(key), []byte(`{"max_versions":1}`), nil)
}
