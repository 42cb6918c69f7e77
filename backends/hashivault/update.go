package hashivault

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// Update implements backends.Backend. The attributes lie where Put lays them.
// Two gateways that change one version in the same moment: the later wins,
// for metadata knows no cas.
func (s *Store) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	var out *secret.Secret
	err := history.CheckPatch(&p)
	if err == nil && (p.NotBefore != nil || p.Expires != nil) {
		err = checkTimes(orZero(p.NotBefore), orZero(p.Expires))
	}
	if err == nil {
		err = s.changing(ctx, name, func(st *state) (err error) {
			out, err = s.update(ctx, st, name, sel, &p)
			return err
		})
	}
	return out, as(err, "update", name)
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func (s *Store) update(ctx context.Context, st *state, name secret.Name, sel secret.Selector, p *secret.Patch) (*secret.Secret, error) {
	if err := errors.Join(st.visible(), st.foreign); err != nil {
		return nil, err
	}
	all, foreign := s.secret(st, name)
	v := all.Find(sel)
	switch {
	case v == nil && foreign != nil:
		return nil, foreign
	case v == nil:
		return nil, &secret.Error{Kind: secret.NotFound, Detail: "no such version"}
	}
	if err := history.CheckRoles(all, v.Ordinal, p); err != nil {
		return nil, err
	}
	number := st.numberOf(v.Ordinal)
	rec, err := s.patched(ctx, st, number, v, p)
	if err != nil {
		return nil, err
	}
	h := patchHead(st, p, number)
	if h.Updated = rec.Updated; all.Updated.After(h.Updated.Time) {
		h.Updated = moment{all.Updated}
	}
	if err := st.admit(ascii(rec), ascii(h)); err != nil {
		return nil, &secret.Error{Kind: secret.Lossy, Detail: secret.DetailOf(err), Err: secret.Cause(err)}
	}
	c := change{records: map[string]string{keyOf(number): ascii(rec)}, head: h}
	for _, k := range st.ahead(number) {
		c.records[k] = ""
	}
	if err := (&write{s: s, st: st}).settle(ctx, c); err != nil {
		return nil, err
	}
	all, _ = s.secret(st, name) // of other versions something may be foreign
	return all.Only(v.Ordinal), nil
}

// patched is the record of a version after the patch. One that has none yet
// gets one that says what the product's own facts do, the content type of
// native fields included.
func (s *Store) patched(ctx context.Context, st *state, number int64, v *secret.Version, p *secret.Patch) (record, error) {
	old, ok, err := st.record(number)
	if err != nil {
		return record{}, err
	}
	now := *v
	if !ok {
		if err := s.value(ctx, st, number, &now, nil); err != nil {
			return record{}, err
		}
	}
	history.PatchVersion(&now, p, s.now())
	rec := recordOf(&now, old.Form)
	rec.Missing = old.Missing // of the rest the product knows
	return rec, nil
}

func patchHead(st *state, p *secret.Patch, number int64) *head {
	h := st.head.clone()
	h.Current, h.Previous = st.roles()
	h.At = st.Current
	o := h.ordinal(number)
	if p.MakeCurrent && h.Current != o {
		h.Current, h.Previous = o, h.Current
	}
	if p.MakePrevious {
		h.Previous = o
	}
	for _, label := range p.DropStages {
		if h.Stages[label] == number {
			delete(h.Stages, label)
		}
	}
	for _, label := range p.AddStages {
		if h.Stages == nil {
			h.Stages = map[string]int64{}
		}
		h.Stages[label] = number
	}
	if p.Description != nil {
		h.Text = *p.Description
	}
	if p.SecretTags != nil {
		h.Tags = maps.Clone(*p.SecretTags)
	}
	h.patchExtra(p.Extra)
	return &h
}

// patchExtra sets the members of change; a nil one is removed.
func (h *head) patchExtra(change map[string]json.RawMessage) {
	for k, raw := range change {
		switch {
		case raw == nil:
			delete(h.Extra, k)
		case h.Extra == nil:
			h.Extra = map[string]string{k: string(raw)}
		default:
			h.Extra[k] = string(raw)
		}
	}
}
