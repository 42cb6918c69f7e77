package hashivault

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Flat is a folder of a KV v1 engine, which holds one value under a path, and
// neither versions nor times nor attributes. A write replaces the version.
//
// What the engine does not know lies in the companion, the secret of the same
// path under the reserved folder: an account of each value that stands, or is
// about to. An account belongs to a value by its print. A value without one is
// one that native tools wrote: a new version, enabled, with the attributes of
// the secret and none of the version before, and no time but 1970.
//
// The account is written first and the value after it, so that no reader of any
// gateway sees a value without what is known of it, or a disabled one as
// enabled. The engine has no cas: two gateways that write one name in the same
// moment may leave the value of one beside the account of the other, and then
// it reads as written natively. Of an import and a native writer that come at
// once the later stays.
//
// A deleted secret has an account that says so. Its value stays where it is, and
// native tools see it until it is purged.
//
// The gateway's token needs create, update, read, list and delete on the whole
// prefix. Whoever may read the companions can try guesses of a value there, and
// whoever may remove one enables what it disabled.
type Flat struct{ *core }

func newFlat(k *core) *Flat {
	k.engine, k.lists, k.spell = "1", "/", flatNaming
	return &Flat{k}
}

// Capabilities implements backends.Backend.
func (*Flat) Capabilities() backends.Capabilities {
	return backends.Capabilities{
		Product: "HashiCorp Vault KV v1", MaxValue: maxValue, MaxVersions: 1,
		AtomicImport: true, Durable: true, KeepsEmptyTags: true,
	}
}

// Get implements backends.Backend.
func (f *Flat) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	st, err := f.read(ctx, name)
	if err == nil {
		err = st.holds(sel)
	}
	if err != nil {
		return nil, as(err, "get", name)
	}
	return st.view(), nil
}

// Describe implements backends.Backend.
func (f *Flat) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	var out *secret.Secret
	err := begin(ctx)
	if err == nil {
		var at place
		if at, err = f.place(name); err == nil {
			out, err = f.described(ctx, at, func(st *flatState) bool { return st.trash == nil })
		}
	}
	return out, as(err, "describe", name)
}

// Export implements backends.Backend.
func (f *Flat) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	st, err := f.read(ctx, name)
	if err != nil {
		return nil, as(err, "export", name)
	}
	return st.view(), nil
}

// List implements backends.Backend.
func (f *Flat) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	p, err := f.list(ctx, q, func(ctx context.Context, at place, _ secret.Name) (*secret.Secret, error) {
		return f.described(ctx, at, func(st *flatState) bool { return q.WithTrash || st.trash == nil })
	})
	return p, as(err, "list", "")
}

// ListTrash implements backends.Backend. The product keeps no list of its
// trash: it costs as much as List.
func (f *Flat) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	p, err := f.list(ctx, q, func(ctx context.Context, at place, _ secret.Name) (*secret.Secret, error) {
		return f.described(ctx, at, func(st *flatState) bool { return st.trash != nil })
	})
	return p, as(err, "list deleted", "")
}

// described is for readers who get no value: a spoilt account is logged, so that
// one such secret hides no other. It shows as disabled.
func (f *Flat) described(ctx context.Context, at place, want func(*flatState) bool) (*secret.Secret, error) {
	unlock, err := f.locks.read(ctx, at.path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	st, err := f.load(ctx, at)
	switch {
	case err != nil:
		return nil, err
	case !st.exists || !want(st):
		return nil, &secret.Error{Kind: secret.NotFound}
	case st.foreign != nil && f.log != nil:
		f.log.WarnContext(ctx, "attributes of a secret cannot be read", "store", f.store, "name", at.name, "error", st.foreign)
	}
	return st.view().WithoutValues(), nil
}

// read loads what a reader of live secrets may see.
func (f *Flat) read(ctx context.Context, name secret.Name) (*flatState, error) {
	if err := begin(ctx); err != nil {
		return nil, err
	}
	at, err := f.place(name)
	if err != nil {
		return nil, err
	}
	unlock, err := f.locks.read(ctx, at.path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	st, err := f.load(ctx, at)
	if err != nil {
		return nil, err
	}
	return st, st.visible()
}

// changing runs change as the only one of this process who looks at the name.
func (f *Flat) changing(ctx context.Context, name secret.Name, change func(*flatState) error) error {
	if err := begin(ctx); err != nil {
		return err
	}
	at, err := f.place(name)
	if err != nil {
		return err
	}
	unlock, err := f.locks.hide(ctx, at.path)
	if err != nil {
		return err
	}
	defer unlock()
	st, err := f.load(ctx, at)
	if err != nil {
		return err
	}
	return change(st)
}

// load reads a secret's state. Absence is no error: see flatState.visible. The
// value comes first: whatever gateway wrote it had written its account before.
func (f *Flat) load(ctx context.Context, at place) (*flatState, error) {
	var before *flatState
	for range 5 {
		st := &flatState{place: at, core: f.core}
		err := f.client.read(ctx, f.mount+"/"+at.path, nil, &st.data)
		if errors.Is(err, secret.NotFound) {
			return st, nil
		}
		if err != nil {
			return nil, err
		}
		st.exists = true
		if st.accounts, err = f.readAccounts(ctx, at); err != nil {
			return nil, err
		}
		if err := st.match(); err != nil {
			return nil, err
		}
		if st.mine != nil || len(st.accounts.All) == 0 || before.same(st) {
			return st, nil
		}
		before = st // another gateway may be writing: only what stays so is native
	}
	return nil, secret.Errorf(secret.Conflict, "the secret keeps changing while it is read")
}

func (f *Flat) readAccounts(ctx context.Context, at place) (accounts, error) {
	var got map[string]json.RawMessage
	err := f.client.read(ctx, f.mount+"/"+at.companion, nil, &got)
	if errors.Is(err, secret.NotFound) {
		return accounts{}, nil
	}
	if err != nil {
		return accounts{}, err
	}
	return parseAccounts(got[headKey]), nil
}

// writeAccounts replaces the companion. Alone it shows nowhere.
func (f *Flat) writeAccounts(ctx context.Context, at place, n accounts) error {
	return f.client.write(ctx, f.mount+"/"+at.companion, marshal(map[string]string{headKey: ascii(n)}), nil)
}

func (f *Flat) writeValue(ctx context.Context, at place, data []byte) error {
	return f.client.write(ctx, f.mount+"/"+at.path, data, nil)
}
