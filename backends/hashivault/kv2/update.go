package kv2

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// Update implements backends.Backend. The attributes lie where Put lays them.
// Two gateways that change one version in the same moment: the later wins,
// for metadata knows no cas.
func (s *Store) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	var out *secret.Secret
	err := errors.Join(history.CheckPatch(&p), connection.CheckPatchTimes(&p))
	if err == nil {
		err = s.changing(ctx, name, func(st *state) (err error) {
			out, err = s.update(ctx, st, sel, &p)
			return err
		})
	}
	return out, connection.Named(err, "update", name)
}

func (s *Store) update(ctx context.Context, st *state, sel secret.Selector, p *secret.Patch) (*secret.Secret, error) {
	if err := errors.Join(st.visible(), st.foreign); err != nil {
		return nil, err
	}
	all, foreign := s.secret(st)
	v := all.Find(sel)
	switch {
	case v == nil && foreign != nil:
		return nil, foreign
	case v == nil:
		return nil, errNoVersion()
	}
	number, h := st.numberOf(v.Ordinal), st.history(all)
	entry, err := s.patched(ctx, st, number, h, v, p)
	if err != nil {
		return nil, err
	}
	c := change{versions: map[string]string{keyOf(number): sidecar.ASCII(entry)}, head: st.headOf(h, st.Current)}
	if err := st.admit(map[string]string{keyOf(number): sidecar.ASCII(entry), headKey: sidecar.ASCII(st.beside(c.head))}); err != nil {
		return nil, &secret.Error{Kind: secret.Lossy, Detail: secret.DetailOf(err), Err: secret.Cause(err)}
	}
	for _, k := range st.ahead(number) {
		c.versions[k] = ""
	}
	if err := s.save(ctx, st, c); err != nil {
		return nil, err
	}
	all, _ = s.secret(st) // of other versions something may be foreign
	return all.Only(v.Ordinal), nil
}

// patched applies the patch to h, and returns the entry of the version after it.
// One that has none yet gets one that says what the product's own facts do, the
// content type of native fields included.
func (s *Store) patched(ctx context.Context, st *state, number int64, h *history.Head, v *secret.Version, p *secret.Patch) (*sidecar.Version, error) {
	old, ok, err := st.entryOf(number)
	if err != nil {
		return nil, err
	}
	now := *v
	if !ok {
		if err := s.value(ctx, st, number, &now, nil); err != nil {
			return nil, err
		}
	}
	if err := h.Patch(&now, p, s.Now()); err != nil {
		return nil, err
	}
	e := versionEntry(&now, old.Form)
	e.Missing = old.Missing // of the rest the product knows
	return &e, nil
}

func errNoVersion() error { return &secret.Error{Kind: secret.NotFound, Detail: "no such version"} }
