package hashivault

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// flatNote is what KV v1 holds of a note: it numbers nothing, so each state
// has a mark of its own.
type flatNote struct {
	Note string `json:"note"`
	Mark string `json:"mark"`
}

func (f *Flat) notePath(key string) string { return f.prefix + noteFolder + key }

// ReadState implements backends.StateStore.
func (f *Flat) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	err := kit.CheckStateKey(key)
	var got flatNote
	if err == nil {
		got, err = f.readNote(ctx, key)
	}
	if err == nil && got.Mark == "" {
		err = &secret.Error{Kind: secret.NotFound}
	}
	if err != nil {
		return nil, "", as(err, "read_note", "")
	}
	return []byte(got.Note), got.Mark, nil
}

// readNote returns no mark where there is no note.
func (f *Flat) readNote(ctx context.Context, key string) (got flatNote, err error) {
	err = f.client.read(ctx, f.mount+"/"+f.notePath(key), nil, &got)
	if errors.Is(err, secret.NotFound) {
		return flatNote{}, nil
	}
	return got, err
}

// WriteState implements backends.StateStore. Of two processes that write in one
// moment the later wins.
func (f *Flat) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	return as(f.writeNote(ctx, key, text, revision), "write_note", "")
}

func (f *Flat) writeNote(ctx context.Context, key string, text []byte, revision string) error {
	if err := errors.Join(begin(ctx), kit.CheckState(key, text)); err != nil {
		return err
	}
	unlock, err := f.locks.hide(ctx, f.notePath(key))
	if err != nil {
		return err
	}
	defer unlock()
	got, err := f.readNote(ctx, key)
	switch {
	case err != nil:
		return err
	case got.Mark != revision:
		return &secret.Error{Kind: secret.Conflict}
	}
	return f.client.write(ctx, f.mount+"/"+f.notePath(key), marshal(flatNote{Note: string(text), Mark: secret.NewUID().String()}), nil)
}
