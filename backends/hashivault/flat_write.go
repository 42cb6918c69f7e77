package hashivault

import (
	"context"
	"errors"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// Put implements backends.Backend. The version takes the place of the one that
// stands, so it becomes current, whatever the draft says of an existing secret:
// one that must not is refused.
func (f *Flat) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	var out *secret.Secret
	data, form, err := f.admit(&d)
	if err == nil {
		err = f.changing(ctx, name, func(st *flatState) (err error) {
			out, err = f.put(ctx, st, name, &d, data, form)
			return err
		})
	}
	return out, as(err, "put", name)
}

func (f *Flat) admit(d *secret.Draft) (data []byte, form string, err error) {
	if err := errors.Join(history.CheckDraft(d), checkTimes(d.NotBefore, d.Expires, d.Created, d.Updated)); err != nil {
		return nil, "", err
	}
	if d.Missing != "" {
		return nil, "", secret.Errorf(secret.Unsupported, "KV version 1 holds no version without a value")
	}
	return encodeFlat(f.field, d.Value)
}

func (f *Flat) put(ctx context.Context, st *flatState, name secret.Name, d *secret.Draft, data []byte, form string) (*secret.Secret, error) {
	switch {
	case st.exists && st.trash != nil:
		return nil, &secret.Error{Kind: secret.Trashed}
	case st.exists && d.OnlyIfAbsent:
		return nil, &secret.Error{Kind: secret.AlreadyExists}
	case st.exists && st.foreign != nil:
		return nil, st.foreign
	case st.exists && d.KeepCurrent:
		return nil, secret.Errorf(secret.TooLarge, "KV version 1 holds one version, and another is to stay current")
	}
	if !st.exists {
		st.head = history.NewHead(name)
	}
	uid := d.UID
	if uid.IsZero() || st.exists && uid == st.v.UID {
		uid = secret.NewUID()
	}
	h := st.head.Clone()
	h.Last = st.last()
	v := h.Append(d, uid, f.now())
	h.Alone(v.Ordinal)
	if err := f.replace(ctx, st, &h, &v, data, form); err != nil {
		return nil, err
	}
	return h.View(v), nil
}

// replace writes the account of a version, beside the one of the value that
// stands, and then the value.
func (f *Flat) replace(ctx context.Context, st *flatState, h *history.Head, v *secret.Version, data []byte, form string) error {
	next := st.known()
	n := accountOf(h, v, form, next.print(data), nil)
	if n.size() > maxAccount {
		return secret.Errorf(secret.TooLarge, "the attributes are too large for Vault")
	}
	same := st.mine != nil && st.mine.Print == n.Print // the account alone is the change
	next.add(st.mine, n)
	if err := f.writeAccounts(ctx, st.place, next); err != nil {
		if errors.Is(err, secret.Unknown) && !same {
			return unavailable(secret.Cause(err)) // an account without its value shows nowhere
		}
		return err
	}
	err := f.writeValue(ctx, st.place, data)
	if err == nil {
		return nil
	}
	if !st.exists && !errors.Is(err, secret.Unknown) {
		f.withdraw(ctx, st.place)
	}
	if same { // the account has taken effect
		return &secret.Error{Kind: secret.Unknown, Err: secret.Cause(err)}
	}
	return err
}

// withdraw takes away an account whose value was never written, so that it says
// nothing about the next secret of the name.
func (f *Flat) withdraw(ctx context.Context, at place) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawing)
	defer cancel()
	f.forget(ctx, at)
}

func (f *Flat) forget(ctx context.Context, at place) {
	if err := f.client.remove(ctx, f.mount+"/"+at.companion); err != nil && f.log != nil {
		f.log.WarnContext(ctx, "the companion of a secret that is gone is left behind", "store", f.store, "name", at.name, "error", err)
	}
}

// account writes what is now known of the value that stands.
func (f *Flat) account(ctx context.Context, st *flatState) error {
	next := st.known()
	n := accountOf(st.head, &st.v, st.form, next.print(st.data), st.trash)
	if n.size() > maxAccount {
		return secret.Errorf(secret.Lossy, "the attributes are too large for Vault")
	}
	next.add(st.mine, n)
	return f.writeAccounts(ctx, st.place, next)
}

// Update implements backends.Backend.
func (f *Flat) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	var out *secret.Secret
	err := history.CheckPatch(&p)
	if err == nil && (p.NotBefore != nil || p.Expires != nil) {
		err = checkTimes(orZero(p.NotBefore), orZero(p.Expires))
	}
	if err == nil {
		err = f.changing(ctx, name, func(st *flatState) error {
			if err := st.visible(); err != nil {
				return err
			}
			if err := st.holds(sel); err != nil {
				return err
			}
			if err := st.head.Patch(&st.v, &p, f.now()); err != nil {
				return err
			}
			out = st.view().WithoutValues()
			return f.account(ctx, st)
		})
	}
	if err != nil {
		return nil, as(err, "update", name)
	}
	return out, nil
}

// Delete implements backends.Backend.
func (f *Flat) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	return f.bin(ctx, "delete", name, (*flatState).visible, func(*flatState) *trash {
		return &trash{At: moment{f.now().UTC()}, Purge: moment{purge.UTC()}}
	})
}

// DescribeTrash implements backends.Backend.
func (f *Flat) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	var out *secret.Secret
	err := f.changing(ctx, name, func(st *flatState) error {
		if err := st.inTrash(); err != nil {
			return err
		}
		out = st.view().WithoutValues()
		return nil
	})
	return out, as(err, "describe deleted", name)
}

// Recover implements backends.Backend.
func (f *Flat) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return f.bin(ctx, "recover", name, (*flatState).inTrash, func(*flatState) *trash { return nil })
}

// bin puts a secret into the trash, or takes it out.
func (f *Flat) bin(ctx context.Context, op string, name secret.Name, check func(*flatState) error, to func(*flatState) *trash) (*secret.Secret, error) {
	var out *secret.Secret
	err := f.changing(ctx, name, func(st *flatState) error {
		if err := check(st); err != nil {
			return err
		}
		st.trash = to(st)
		out = st.view().WithoutValues()
		return f.account(ctx, st)
	})
	if err != nil {
		return nil, as(err, op, name)
	}
	return out, nil
}

// inTrash refuses what is not in the trash.
func (st *flatState) inTrash() error {
	if !st.exists || st.trash == nil {
		return &secret.Error{Kind: secret.NotFound}
	}
	return nil
}

// Purge implements backends.Backend. The value goes before its account, which
// says nothing to anybody without it.
func (f *Flat) Purge(ctx context.Context, name secret.Name) error {
	err := f.changing(ctx, name, func(st *flatState) error {
		if err := st.inTrash(); err != nil {
			return err
		}
		if err := f.client.remove(ctx, f.mount+"/"+st.path); err != nil {
			return err
		}
		f.forget(ctx, st.place)
		return nil
	})
	return as(err, "purge", name)
}
