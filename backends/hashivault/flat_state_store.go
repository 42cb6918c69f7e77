package hashivault

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// flatStateRecord is what KV v1 holds of a state record: it numbers nothing, so
// each state has a mark of its own.
type flatStateRecord struct {
	Record string `json:"record"`
	Mark   string `json:"mark"`
}

func (f *Flat) statePath(key string) string { return f.prefix + stateFolder + key }

// ReadState implements backends.StateStore.
func (f *Flat) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	err := kit.CheckStateKey(key)
	var got flatStateRecord
	if err == nil {
		got, err = f.stateRecord(ctx, key)
	}
	if err == nil && got.Mark == "" {
		err = &secret.Error{Kind: secret.NotFound}
	}
	if err != nil {
		return nil, "", as(err, "read_state", "")
	}
	return []byte(got.Record), got.Mark, nil
}

// stateRecord returns no mark where there is no state record.
func (f *Flat) stateRecord(ctx context.Context, key string) (got flatStateRecord, err error) {
	err = f.client.read(ctx, f.mount+"/"+f.statePath(key), nil, &got)
	if errors.Is(err, secret.NotFound) {
		return flatStateRecord{}, nil
	}
	return got, err
}

// WriteState implements backends.StateStore. Of two processes that write in one
// moment the later wins.
func (f *Flat) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	return as(f.writeStateRecord(ctx, key, text, revision), "write_state", "")
}

func (f *Flat) writeStateRecord(ctx context.Context, key string, text []byte, revision string) error {
	if err := errors.Join(begin(ctx), kit.CheckState(key, text)); err != nil {
		return err
	}
	unlock, err := f.locks.hide(ctx, f.statePath(key))
	if err != nil {
		return err
	}
	defer unlock()
	got, err := f.stateRecord(ctx, key)
	switch {
	case err != nil:
		return err
	case got.Mark != revision:
		return &secret.Error{Kind: secret.Conflict}
	}
	return f.client.write(ctx, f.mount+"/"+f.statePath(key), marshal(flatStateRecord{Record: string(text), Mark: secret.NewUID().String()}), nil)
}
