package kv2

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// write is one version on its way.
type write struct {
	s      *Store
	st     *state // follows the product
	d      *secret.Draft
	number int64
	head   *history.Head // before the version
	uid    secret.UID    // zero: the product's
	entry  sidecar.Version
	needed bool              // the entry is
	before map[string]string // custom_metadata as it was
	ahead  layout            // what was put there ahead of the value

	displace func(ctx context.Context, gone []secret.Ordinal) error // nil: nobody asks
	pushed   []int64                                                // numbers that the version pushes out
}

func (s *Store) newWrite(st *state, d *secret.Draft, form sidecar.Form) *write {
	all, _ := s.secret(st) // of the others something may be foreign
	w := &write{s: s, st: st, d: d, number: st.Current + 1, head: st.history(all), before: maps.Clone(st.Custom)}
	if !d.UID.IsZero() && all.Find(secret.ByUID(d.UID)) == nil {
		w.uid = d.UID
	}
	_, v := w.next(time.Time{})
	w.entry = versionEntry(v, form)
	w.needed = !w.entry.IsZero() || d.Value.Form() != secret.Text
	return w
}

// next is the secret with the version, which the product made at the time. Zero:
// it has not yet.
func (w *write) next(made time.Time) (*history.Head, *secret.Version) {
	h := w.head.Clone()
	v := h.Next(w.d, w.uid, made)
	w.dropPushed(&h)
	return &h, &v
}

// run writes: room, what must be known before the value is, the value, the
// rest.
func (w *write) run(ctx context.Context, data []byte) (*secret.Secret, error) {
	h, _ := w.next(time.Time{})
	if err := w.st.admit(map[string]string{keyOf(w.number): sidecar.ASCII(w.entry), headKey: sidecar.ASCII(w.st.beside(w.st.headOf(h, w.number)))}); err != nil {
		return nil, err
	}
	if err := w.prepareRoom(ctx); err != nil {
		return nil, err
	}
	if err := w.putAhead(ctx); err != nil {
		return nil, err
	}
	unlock, err := w.s.views.Lock(ctx, w.st.name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	fact, err := w.s.writeData(ctx, w.st.Path, data, w.number-1)
	if errors.Is(err, secret.Conflict) {
		fact, err = w.findRepeat(ctx, data, err)
	}
	if err != nil {
		return nil, err
	}
	if err := w.finish(ctx, fact); err != nil {
		o := w.st.head.Shifts.Ordinal(w.number).String()
		return nil, &secret.Error{Kind: secret.Partial, Detail: "version " + o + " is written, its attributes may not be", Err: secret.Cause(err)}
	}
	all, _ := w.s.secret(w.st)
	out := all.Only(w.st.head.Shifts.Ordinal(w.number))
	out.Versions[0].Value = w.d.Value
	return out, nil
}

// putAhead writes what must stand before the value does: that it is disabled or
// in a form that would read as another value, which version of another store it is,
// so that a torn append can be told and made again, and that another version stays
// current. What is put down for its own sake has the labels and roles along.
func (w *write) putAhead(ctx context.Context) error {
	c := change{versions: map[string]string{}}
	if w.d.Disabled || w.entry.Form != "" || !w.uid.IsZero() {
		e := w.entry
		e.Stages = slices.Sorted(slices.Values(w.d.Stages))
		c.versions[aheadOf(w.number)+secret.NewUID().String()[:8]] = sidecar.ASCII(e)
	}
	if w.d.KeepCurrent && len(w.st.numbers) > 0 {
		c.head = w.st.headOf(w.head, w.number)
		h, _ := w.next(time.Time{})
		c.head.Will = &sidecar.Roles{Current: h.Secret.Current, Previous: h.Secret.Previous}
	}
	w.ahead = w.st.layOut(c)
	if err := w.s.write(ctx, w.st, w.ahead); err != nil {
		return err
	}
	return w.st.absorb(w.ahead)
}

// takeBack removes what was put down ahead of a version that another writer
// then made, unless a third changed it since.
func (w *write) takeBack(ctx context.Context) error {
	if len(w.ahead.custom) == 0 {
		return nil
	}
	now, err := w.s.load(ctx, w.st.Location, w.st.name)
	if err != nil {
		return err
	}
	back := layout{custom: map[string]any{}, companion: map[string]string{}}
	for k, ours := range w.ahead.companion {
		if k != headKey && ours != "" && now.more.entries[k] == ours {
			back.companion[k] = ""
		}
	}
	for k, ours := range w.ahead.custom {
		if text, ok := now.Custom[k]; !ok || ours != any(text) {
			continue
		}
		if back.custom[k] = nil; w.before[k] != "" {
			back.custom[k] = w.before[k]
		}
	}
	return w.s.write(ctx, now, back)
}

// findRepeat tells a request that came twice, whose second answer is a lost cas,
// from another writer's. Danger: what was put down ahead of a version that is
// there, that it is disabled perhaps, must not be taken back.
//
// Of two who write one value in one moment the second sees what the first put
// down for the version. Where there is nothing to put down, the two are one.
func (w *write) findRepeat(ctx context.Context, data []byte, lost error) (*dataMetadata, error) {
	now, err := w.s.load(ctx, w.st.Location, w.st.name)
	if err != nil {
		return nil, unseen(err)
	}
	_, kept, err := now.entry(keyOf(w.number))
	if kept || err != nil || !slices.Equal(now.ahead(w.number), w.putDown()) {
		return nil, lost
	}
	got, err := w.s.readData(ctx, w.st.Path, w.number)
	switch {
	case errors.Is(err, secret.NotFound):
		return nil, lost
	case err != nil:
		return nil, unseen(err)
	case !connection.SameFields(got.Data, data):
		return nil, lost
	}
	return &got.Metadata, nil
}

func unseen(err error) error {
	return &secret.Error{Kind: secret.Unknown, Detail: "Vault did not say whether the new version is of this write or of another", Err: secret.Cause(err)}
}

// putDown lists the keys of what this write put down ahead of its version.
func (w *write) putDown() []string {
	all := slices.Collect(maps.Keys(w.ahead.custom))
	all = slices.AppendSeq(all, maps.Keys(w.ahead.companion))
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(k string) bool { return !strings.HasPrefix(k, aheadOf(w.number)) })
}

// finish writes what differs between the secret with the version, and what the
// product shows of it. A version is never older than the one before it, in
// milliseconds, though an import brought times from the future.
func (w *write) finish(ctx context.Context, fact *dataMetadata) error {
	if w.d.Missing != "" {
		if err := w.s.destroy(ctx, w.st.Path, []int64{w.number}); err != nil {
			return err
		}
	}
	made := fact.Created
	if t := w.head.Stamp(made); t.After(made) && w.d.Created.IsZero() {
		made, w.entry.Created.Time, w.needed = t, t, true
	}
	for k, text := range fact.Custom { // perhaps another writer's, who lost
		if strings.HasPrefix(k, aheadOf(w.number)) {
			w.st.setCustom(k, text)
		}
	}
	w.st.grow(w.number, versionFact{Created: fact.Created})
	w.st.numbers = append(w.st.numbers, w.number)
	c := change{versions: map[string]string{}}
	w.forgetPushed(&c)
	for _, k := range w.st.ahead(w.number) {
		c.versions[k] = ""
	}
	if w.needed {
		c.versions[keyOf(w.number)] = sidecar.ASCII(w.entry)
	}
	h, _ := w.next(made)
	if e := w.st.headOf(h, w.number); w.st.head.Will != nil || sidecar.ASCII(e) != sidecar.ASCII(w.shown()) {
		c.head = e
	}
	return w.s.save(ctx, w.st, c)
}

// shown is the head as the product would show it with the version's entry and
// nothing else.
func (w *write) shown() *headEntry {
	st := *w.st
	st.Custom, st.more.entries = maps.Clone(st.Custom), maps.Clone(st.more.entries)
	for _, k := range st.ahead(w.number) {
		delete(st.Custom, k)
		delete(st.more.entries, k)
	}
	if w.needed {
		st.setCustom(keyOf(w.number), sidecar.ASCII(w.entry))
	}
	all, _ := w.s.secret(&st)
	return st.headOf(st.history(all), w.number)
}
