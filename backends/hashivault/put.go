package hashivault

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// attempts bounds how often a Put begins anew because others write as well.
const attempts = 10

const detailUnfinished = "an import of this name was begun and is not finished: repeat it, or remove the secret with Vault's own tools"

// Put implements backends.Backend. A key of which native tools deleted every
// version is taken: its history is still there.
func (s *Store) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	out, err := s.put(ctx, name, &d)
	return out, as(err, "put", name)
}

func (s *Store) put(ctx context.Context, name secret.Name, d *secret.Draft) (*secret.Secret, error) {
	if err := begin(ctx); err != nil {
		return nil, err
	}
	at, err := s.place(name)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(history.CheckDraft(d), checkTimes(d.NotBefore, d.Expires, d.Created, d.Updated)); err != nil {
		return nil, err
	}
	data, form, err := encodeValue(s.field, d.Value)
	if err != nil {
		return nil, err
	}
	unlock, err := s.locks.write(ctx, at.path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for range attempts {
		st, err := s.load(ctx, at)
		switch {
		case err != nil:
			return nil, err
		case st.unfinished():
			return nil, secret.Errorf(secret.Conflict, detailUnfinished)
		case st.Custom[trashKey] != "":
			return nil, &secret.Error{Kind: secret.Trashed}
		case d.OnlyIfAbsent && st.Current > 0:
			return nil, &secret.Error{Kind: secret.AlreadyExists}
		case st.foreign != nil:
			return nil, st.foreign
		}
		w := s.newWrite(st, d, form)
		out, err := w.run(ctx, name, data)
		if !errors.Is(err, secret.Conflict) {
			return out, err
		}
		if err := s.restore(ctx, at, w.before, w.ahead); err != nil {
			return nil, err
		}
	}
	return nil, secret.Errorf(secret.Conflict, "others keep writing the same secret")
}

// write is one version on its way.
type write struct {
	s      *Store
	st     *state // follows the product
	d      *secret.Draft
	number int64
	rec    record
	marked bool              // rec is needed
	before map[string]string // custom_metadata as it was
	ahead  layout            // what was put there ahead of the value
	wrote  bool
}

func (s *Store) newWrite(st *state, d *secret.Draft, form string) *write {
	v := secret.Version{
		Missing: d.Missing, ContentType: d.ContentType, Tags: d.Tags, Disabled: d.Disabled,
		NotBefore: d.NotBefore, Expires: d.Expires, Extra: d.Extra, Created: d.Created, Updated: d.Updated,
	}
	if !d.UID.IsZero() && !s.taken(st, d.UID) {
		v.UID = d.UID
	}
	w := &write{s: s, st: st, d: d, number: st.Current + 1, rec: recordOf(&v, form), before: maps.Clone(st.Custom)}
	w.marked = d.Value.Form() != secret.Text || v.Disabled || v.ContentType != "" || v.Tags != nil || v.Extra != nil ||
		!v.UID.IsZero() || !v.NotBefore.IsZero() || !v.Expires.IsZero() || !v.Created.IsZero() || !v.Updated.IsZero()
	return w
}

func (s *Store) taken(st *state, uid secret.UID) bool {
	return slices.ContainsFunc(st.numbers, func(n int64) bool {
		v, err := s.version(st, n)
		return err == nil && v.UID == uid
	})
}

// run writes: room, what must be known before the value is, the value, the
// rest. After an error, wrote says whether the value is there.
func (w *write) run(ctx context.Context, name secret.Name, data []byte) (*secret.Secret, error) {
	before, after := w.change(), w.headAfter()
	var ofSecret string
	if after != nil {
		ofSecret = ascii(after)
	}
	if err := w.st.admit(ascii(w.rec), ofSecret); err != nil {
		return nil, err
	}
	if err := w.s.makeRoom(ctx, w.st, 1); err != nil {
		return nil, err
	}
	if err := w.settle(ctx, before); err != nil {
		return nil, err
	}
	unlock, err := w.s.locks.hide(ctx, w.st.path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	fact, err := w.s.writeData(ctx, w.st.path, data, w.number-1)
	if errors.Is(err, secret.Conflict) {
		fact, err = w.arrived(ctx, data, err)
	}
	if err != nil {
		return nil, err
	}
	w.grow(fact)
	if err := w.finish(ctx, fact, after); err != nil {
		o := w.st.head.ordinal(w.number).String()
		return nil, &secret.Error{Kind: secret.Partial, Detail: "version " + o + " is written, its attributes may not be", Err: secret.Cause(err)}
	}
	all, _ := w.s.secret(w.st, name) // of the others something may be foreign
	out := all.Only(w.st.head.ordinal(w.number))
	out.Versions[0].Value = w.d.Value
	return out, nil
}

// arrived tells a request that came twice, whose second answer is a lost cas,
// from another writer's. Danger: what was put down ahead of a version that is
// there, that it is disabled perhaps, must not be taken back.
//
// Of two who write one value in one moment the second sees what the first put
// down for the version. Where there is nothing to put down, the two are one.
func (w *write) arrived(ctx context.Context, data []byte, lost error) (*dataMetadata, error) {
	now, err := w.s.load(ctx, w.st.place)
	if err != nil {
		return nil, w.unseen(err)
	}
	_, recorded, err := now.entry(keyOf(w.number))
	if recorded || err != nil || !slices.Equal(now.ahead(w.number), w.down()) {
		return nil, lost
	}
	got, err := w.s.readData(ctx, w.st.path, w.number)
	switch {
	case errors.Is(err, secret.NotFound):
		return nil, lost
	case err != nil:
		return nil, w.unseen(err)
	}
	if theirs, ok := canonical(got.Data, false); !ok || !sameJSON(theirs, data) {
		return nil, lost
	}
	return &got.Metadata, nil
}

func (*write) unseen(err error) error {
	return &secret.Error{Kind: secret.Unknown, Detail: "whose the new version is could not be read", Err: secret.Cause(err)}
}

// down lists the keys of what this write put down ahead of its version.
func (w *write) down() []string {
	var keys []string
	for k := range w.ahead.custom {
		keys = append(keys, k)
	}
	for k := range w.ahead.companion {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return slices.DeleteFunc(slices.Compact(keys), func(k string) bool { return !strings.HasPrefix(k, aheadOf(w.number)) })
}

// change is what must stand before the value does: that it is disabled or in
// a form that would read as another value, and that another version stays
// current.
func (w *write) change() change {
	c := change{records: map[string]string{}}
	if w.d.Disabled || w.rec.Form != formNatural {
		c.records[aheadOf(w.number)+secret.NewUID().String()[:8]] = ascii(w.rec)
	}
	if w.d.KeepCurrent && len(w.st.numbers) > 0 {
		h := w.st.head.clone()
		h.Current, h.Previous = w.st.roles()
		h.At = w.number
		c.head = &h
	}
	return c
}

// headAfter is the head once the version is there; nil: the old one will do.
func (w *write) headAfter() *head {
	d, old := w.d, &w.st.head
	first := len(w.st.numbers) == 0
	keep := d.KeepCurrent && !first
	born := first && len(d.NewExtra) > 0
	if !keep && len(d.Stages) == 0 && d.OfSecret == nil && !born && len(d.MergeExtra) == 0 && old.At < w.number {
		return nil
	}
	h := old.clone()
	o := h.ordinal(w.number)
	h.At = w.number
	h.Current, h.Previous = w.st.roles()
	switch {
	case !keep:
		h.Current, h.Previous = o, h.Current
	case d.TakePrevious:
		h.Previous = o
	}
	for _, label := range d.Stages {
		if h.Stages == nil {
			h.Stages = map[string]int64{}
		}
		h.Stages[label] = w.number
	}
	if a := d.OfSecret; a != nil {
		h.Text, h.Tags, h.Extra = a.Description, maps.Clone(a.Tags), extraText(a.Extra)
	}
	if born {
		if h.Extra == nil {
			h.Extra = map[string]string{}
		}
		maps.Copy(h.Extra, extraText(d.NewExtra))
	}
	h.patchExtra(d.MergeExtra)
	return &h
}

// grow makes the state that of the product after the value.
func (w *write) grow(fact *dataMetadata) {
	w.wrote = true
	latest := w.latest()
	w.st.grow(w.number, versionFact{Created: fact.Created})
	w.st.numbers = append(w.st.numbers, w.number)
	// A version is never older than the one before it, in milliseconds, though
	// an import brought times from the future.
	if w.rec.Created.IsZero() && !fact.Created.Truncate(time.Millisecond).After(latest.Truncate(time.Millisecond)) {
		w.rec.Created, w.marked = moment{latest.Truncate(time.Millisecond).Add(time.Millisecond)}, true
	}
	for k, s := range fact.Custom { // perhaps another writer's, who lost
		if strings.HasPrefix(k, aheadOf(w.number)) {
			w.st.setCustom(k, s)
		}
	}
}

// latest is when the newest version was made.
func (w *write) latest() time.Time {
	var t time.Time
	for _, n := range w.st.numbers {
		if v, err := w.s.version(w.st, n); err == nil && v.Created.After(t) {
			t = v.Created
		}
	}
	return t
}

func (w *write) finish(ctx context.Context, fact *dataMetadata, after *head) error {
	if w.d.Missing != "" {
		if err := w.s.destroy(ctx, w.st.path, []int64{w.number}); err != nil {
			return err
		}
	}
	key := keyOf(w.number)
	c := change{records: map[string]string{}, head: after}
	if w.marked {
		c.records[key] = ascii(w.rec)
	}
	for _, k := range w.st.ahead(w.number) {
		c.records[k] = ""
	}
	if after != nil && !after.Updated.IsZero() {
		created := fact.Created
		if !w.rec.Created.IsZero() {
			created = w.rec.Created.Time
		}
		if created.After(after.Updated.Time) {
			after.Updated = moment{created}
		}
	}
	return w.settle(ctx, c)
}
