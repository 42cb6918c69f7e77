package history

import (
	"maps"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Head is a secret beside its versions: enough to append one without reading
// the others. Stages live here and not with the versions, so that a label that
// moves touches one record.
//
// A store reads a Head from what it keeps, asks it for the next state (Append,
// Next, Patch), and writes the difference.
type Head struct {
	Secret secret.Secret             // Versions is always empty
	Last   secret.Ordinal            // the highest ordinal ever given
	Newest time.Time                 // the latest Created ever given
	Stages map[string]secret.Ordinal // label to holder
}

// NewHead begins the secret called name, with no version yet.
func NewHead(name secret.Name) *Head {
	return &Head{Secret: secret.Secret{Name: name}, Stages: map[string]secret.Ordinal{}}
}

// Of returns the head of a secret that a store holds. It trusts the store to
// keep the rules: see HeadOf. last is the highest ordinal ever given, where no
// version tells it.
func Of(s *secret.Secret, last secret.Ordinal) *Head {
	h := NewHead(s.Name)
	h.Secret, h.Last = *withoutVersions(s), last
	for i := range s.Versions {
		v := &s.Versions[i]
		h.Last, h.Newest = max(h.Last, v.Ordinal), Later(h.Newest, v.Created)
		for _, label := range v.Stages {
			h.Stages[label] = v.Ordinal
		}
	}
	return h
}

// Append accounts for one more version and returns it, stages included. The
// caller has checked the draft and made sure that uid is not taken.
func (h *Head) Append(d *secret.Draft, uid secret.UID, now time.Time) secret.Version {
	return h.Next(d, uid, h.Stamp(now))
}

// AppendAll is Append for several that are written together. Those without a UID get
// one.
func (h *Head) AppendAll(ds []secret.Draft, now time.Time) []secret.Version {
	out := make([]secret.Version, 0, len(ds))
	for i := range ds {
		uid := ds[i].UID
		if uid.IsZero() {
			uid = secret.NewUID()
		}
		out = append(out, h.Append(&ds[i], uid, now))
	}
	return out
}

// Next is Append for a product that mints ids and times by itself. A zero uid
// or stamp leaves the version without, until the product has told.
func (h *Head) Next(d *secret.Draft, uid secret.UID, stamp time.Time) secret.Version {
	first := h.Last == 0
	v := secret.Version{
		Ordinal: h.Last + 1, UID: uid, Value: d.Value, Missing: d.Missing,
		ContentType: d.ContentType, Tags: maps.Clone(d.Tags), Disabled: d.Disabled,
		NotBefore: d.NotBefore, Expires: d.Expires, Extra: d.Extra.Clone(),
		Created: OrTime(d.Created, stamp), Updated: d.Updated,
	}
	v.Updated = OrTime(v.Updated, v.Created)
	h.Last, h.Newest = v.Ordinal, Later(h.Newest, v.Created)
	if first {
		h.Secret.Created = v.Created
	}
	h.Secret.Updated = Later(h.Secret.Updated, stamp)
	h.moveRoles(d, v.Ordinal, first)
	for _, label := range d.Stages {
		h.Stages[label] = v.Ordinal
	}
	v.Stages = h.StagesOf(v.Ordinal)
	if a := d.OfSecret; a != nil {
		h.Secret.Description, h.Secret.Tags, h.Secret.Extra = a.Description, maps.Clone(a.Tags), a.Extra.Clone()
	}
	if first {
		h.Secret.Extra = merged(h.Secret.Extra, d.NewExtra)
	}
	h.Secret.Extra = PatchExtra(h.Secret.Extra, d.MergeExtra)
	return v
}

func merged(e, more secret.Extra) secret.Extra {
	if len(more) == 0 {
		return e
	}
	c := e.Clone()
	if c == nil {
		c = secret.Extra{}
	}
	maps.Copy(c, more)
	return c
}

// Stamp is now in whole milliseconds, or the first one after every version so
// far: dialects promise their clients times that strictly increase.
func (h *Head) Stamp(now time.Time) time.Time {
	now = now.UTC().Truncate(time.Millisecond)
	if last := h.Newest.UTC().Truncate(time.Millisecond); h.Last > 0 && !now.After(last) {
		return last.Add(time.Millisecond)
	}
	return now
}

func (h *Head) moveRoles(d *secret.Draft, o secret.Ordinal, first bool) {
	switch s := &h.Secret; {
	case first:
		s.Current = o
	case !d.KeepCurrent:
		s.Current, s.Previous = o, s.Current
	case d.TakePrevious:
		s.Previous = o
	}
}

// Clone returns a deep copy.
func (h *Head) Clone() Head {
	c := *h
	c.Secret, c.Stages = *h.Secret.Clone(), maps.Clone(h.Stages)
	return c
}

// StagesOf lists the labels of one version, sorted; nil if it has none.
func (h *Head) StagesOf(o secret.Ordinal) []string {
	var out []string
	for label, holder := range h.Stages {
		if holder == o {
			out = append(out, label)
		}
	}
	slices.Sort(out)
	return out
}

// View returns the secret's attributes with the given versions, each under the
// stages that it holds now. Nothing is shared with h or vs but the values.
func (h *Head) View(vs ...secret.Version) *secret.Secret {
	out, labels := h.Secret.Clone(), h.Labels()
	out.Versions = slices.Grow(out.Versions, len(vs))
	for i := range vs {
		out.Versions = append(out.Versions, vs[i].Clone())
		out.Versions[i].Stages = labels[vs[i].Ordinal]
	}
	return out
}

// Labels are the stages of all versions that hold one, each sorted.
func (h *Head) Labels() map[secret.Ordinal][]string {
	if len(h.Stages) == 0 {
		return nil
	}
	out := map[secret.Ordinal][]string{}
	for label, holder := range h.Stages {
		out[holder] = append(out[holder], label)
	}
	for _, labels := range out {
		slices.Sort(labels)
	}
	return out
}

// MaxImported is the highest ordinal that an import may bring. Those of the
// versions to come are above it, and still numbers that every reader of JSON
// can hold.
const MaxImported secret.Ordinal = 1 << 52

// HeadOf returns the head of a secret that is imported as it is. It refuses
// (Invalid) one that breaks the rules of the model, so that nothing read from
// a store ever does.
func HeadOf(s *secret.Secret) (*Head, error) {
	if err := s.Name.Validate(); err != nil {
		return nil, err
	}
	h := NewHead(s.Name)
	h.Secret = *withoutVersions(s)
	h.Secret.Deleted = nil // what is imported is live
	uids := map[secret.UID]bool{}
	for i := range s.Versions {
		v := &s.Versions[i]
		if err := h.admit(v, uids); err != nil {
			return nil, err
		}
		uids[v.UID] = true
		h.Last, h.Newest = v.Ordinal, Later(h.Newest, v.Created)
	}
	switch {
	case len(s.Versions) == 0:
		return nil, secret.Errorf(secret.Invalid, "the secret has no version")
	case !holds(s, s.Current), !holds(s, s.Previous):
		return nil, secret.Errorf(secret.Invalid, "a role names a version that is not there")
	}
	if err := checkAttributes(&secret.Attributes{Description: s.Description, Tags: s.Tags, Extra: s.Extra}); err != nil {
		return nil, err
	}
	return h, nil
}

func (h *Head) admit(v *secret.Version, uids map[secret.UID]bool) error {
	switch {
	case v.Ordinal <= h.Last:
		return secret.Errorf(secret.Invalid, "version %d is out of order", v.Ordinal)
	case v.Ordinal > MaxImported:
		return secret.Errorf(secret.Invalid, "version %d is above %d, the highest number of a version that can be imported", v.Ordinal, MaxImported)
	case v.UID.IsZero() || uids[v.UID]:
		return secret.Errorf(secret.Invalid, "version %d has no id of its own", v.Ordinal)
	}
	d := secret.Draft{Value: v.Value, Missing: v.Missing, Stages: v.Stages, ContentType: v.ContentType, Tags: v.Tags, Extra: v.Extra}
	if err := CheckDraft(&d); err != nil {
		return secret.Errorf(secret.Invalid, "version %d: %s", v.Ordinal, secret.DetailOf(err))
	}
	for _, label := range v.Stages {
		if _, taken := h.Stages[label]; taken {
			return secret.Errorf(secret.Invalid, "version %d holds a stage that another holds", v.Ordinal)
		}
		h.Stages[label] = v.Ordinal
	}
	return nil
}

func withoutVersions(s *secret.Secret) *secret.Secret {
	c := *s
	c.Versions = nil
	return c.Clone()
}

func holds(s *secret.Secret, role secret.Ordinal) bool {
	return role == 0 || s.Find(secret.ByOrdinal(role)) != nil
}

// Alone forgets the versions whose place o took.
func (h *Head) Alone(o secret.Ordinal) {
	h.Secret.Previous = 0
	maps.DeleteFunc(h.Stages, func(_ string, holder secret.Ordinal) bool { return holder != o })
}
