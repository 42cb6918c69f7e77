package memory

import (
	"context"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// imitating is a store that holds what a product holds, and no more: for
// rehearsals. It says beforehand what the product would say.
//
// Its Put and Update refuse what would take something away, judged by the
// product's forecast of the whole secret. A product that lays an import out
// otherwise than a single write may differ by some characters at its limits.
type imitating struct {
	*Store
	as backends.Profile
}

// Imitate returns a view of s that holds no more than the product. Whatever
// stands in s already stays.
func (s *Store) Imitate(as backends.Profile) backends.Backend { return &imitating{s, as} }

// Capabilities implements backends.Backend.
func (m *imitating) Capabilities() backends.Capabilities {
	c, own := m.as.Capabilities, m.Store.Capabilities()
	c.Product += ", imitated in memory"
	c.AtomicCreate, c.AtomicImport, c.Durable = own.AtomicCreate, own.AtomicImport, own.Durable
	c.TrashHidesVersions = own.TrashHidesVersions
	return c
}

// Forecast implements backends.Backend.
func (m *imitating) Forecast(s *secret.Secret) []secret.Loss {
	if _, err := m.as.Names.Spell(s.Name); err != nil {
		return nil // Import refuses the name itself
	}
	return m.as.Forecast(s)
}

// Put implements backends.Backend. Where the product holds no more versions,
// the oldest without a role or label makes room.
func (m *imitating) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if _, err := m.as.Names.Spell(name); err != nil {
		return nil, named(err, "memory.put", name)
	}
	return m.put(ctx, name, d, m.admit)
}

// Append implements backends.Marker.
func (m *imitating) Append(ctx context.Context, name secret.Name, only secret.Mark, versions []secret.Draft) (*secret.Secret, error) {
	s, err := m.append(ctx, name, only, versions, m.admit)
	return m.hide(s), err
}

func (m *imitating) admit(d *secret.Draft, old, e *entry) error {
	if most := m.as.Capabilities.MaxVersions; most > 0 && len(e.versions) > most {
		if err := m.makeRoom(e, d, most); err != nil {
			return err
		}
	}
	l := m.takenAway(old, e)
	switch {
	case l == nil:
		return nil
	case d.Missing != "":
		return secret.Errorf(secret.Unsupported, "%s", l.Why)
	case l.What == loss.Version, l.What == loss.Value:
		return secret.Errorf(secret.TooLarge, "%s", l.Why)
	}
	return secret.Errorf(secret.Invalid, "%s: %s", l.What, l.Why)
}

// makeRoom drops what the newest version takes the place of.
func (m *imitating) makeRoom(e *entry, d *secret.Draft, most int) error {
	switch {
	case most > 1 && !e.recycle():
		return secret.Errorf(secret.TooLarge, "%s holds %d versions, and each has a role or a label", m.as.Capabilities.Product, most)
	case most == 1 && d.KeepCurrent:
		return secret.Errorf(secret.TooLarge, "%s holds one version, and another is to stay current", m.as.Capabilities.Product)
	case most == 1:
		e.versions = slices.Clone(e.versions[len(e.versions)-1:])
		e.head.Alone(e.versions[0].Ordinal)
	}
	return nil
}

// Update implements backends.Backend.
func (m *imitating) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	return m.update(ctx, name, sel, p, func(old, e *entry) error {
		if l := m.takenAway(old, e); l != nil {
			return secret.Errorf(secret.Lossy, "%s: %s", l.What, l.Why)
		}
		return nil
	})
}

// takenAway returns what the product would lose of e and not of old, which may
// be nil.
func (m *imitating) takenAway(old, e *entry) *secret.Loss {
	forecast := m.as.ForecastStanding
	if forecast == nil {
		forecast = m.as.Forecast
	}
	var before []secret.Loss
	if old != nil {
		before = forecast(old.head.View(old.versions...))
	}
	for _, l := range forecast(e.head.View(e.versions...)) {
		known := slices.ContainsFunc(before, func(b secret.Loss) bool { return b.Version == l.Version && b.What == l.What })
		if l.Grade > secret.Trace && loss.TakesAway(l) && !known {
			return &l
		}
	}
	return nil
}

// recycle drops the oldest version that nothing names. The last stays.
func (e *entry) recycle() bool {
	v := history.Oldest(e.head.View(e.versions[:len(e.versions)-1]...))
	if v == nil {
		return false
	}
	e.versions = slices.DeleteFunc(slices.Clone(e.versions), func(x secret.Version) bool { return x.Ordinal == v.Ordinal })
	return true
}

// Import implements backends.Backend.
func (m *imitating) Import(ctx context.Context, in *secret.Secret, _ string) (*backends.Imported, error) {
	if _, err := m.as.Names.Spell(in.Name); err != nil {
		return nil, named(err, "memory.import", in.Name)
	}
	if _, err := history.HeadOf(in); err != nil {
		return nil, named(err, "memory.import", in.Name)
	}
	held := loss.Apply(in, m.Forecast(in))
	if len(held.Versions) == 0 {
		return nil, &secret.Error{Kind: secret.Invalid, Op: "memory.import", Name: in.Name, Detail: m.as.Capabilities.Product + " can hold none of the versions"}
	}
	for i := range held.Versions {
		if v := &held.Versions[i]; v.UID.IsZero() {
			v.UID = secret.DeriveUID("imitation", string(in.Name), v.Ordinal.String(), v.Created)
		}
	}
	done, err := m.place(ctx, held, in.Newest())
	if done != nil {
		m.hide(done.Secret)
	}
	return done, err
}

// hide takes away what the product does not show.
func (m *imitating) hide(s *secret.Secret) *secret.Secret {
	if s == nil {
		return s
	}
	for i := range s.Versions {
		m.hideVersion(&s.Versions[i])
	}
	return s
}

func (m *imitating) hideVersion(v *secret.Version) {
	if m.as.Capabilities.HidesDisabled && v.Disabled {
		v.Value, v.Missing = secret.Value{}, secret.Unreadable
	}
}

// Get implements backends.Backend.
func (m *imitating) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	s, err := m.Store.Get(ctx, name, sel)
	return m.hide(s), err
}

// Describe implements backends.Backend.
func (m *imitating) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	s, err := m.Store.Describe(ctx, name)
	return m.hide(s), err
}

// DescribeMarked implements backends.Marker.
func (m *imitating) DescribeMarked(ctx context.Context, name secret.Name) (*secret.Secret, secret.Mark, error) {
	s, mark, err := m.Store.DescribeMarked(ctx, name)
	return m.hide(s), mark, err
}

// Export implements backends.Backend.
func (m *imitating) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	s, err := m.Store.Export(ctx, name)
	return m.hide(s), err
}

// Delete implements backends.Backend.
func (m *imitating) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	if most := m.as.Capabilities.MaxRetention; most > 0 {
		if last := m.opt.Now().Add(most); purge.IsZero() || purge.After(last) {
			purge = last
		}
	}
	s, err := m.Store.Delete(ctx, name, purge)
	return m.hide(s), err
}

// Recover implements backends.Backend.
func (m *imitating) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	s, err := m.Store.Recover(ctx, name)
	return m.hide(s), err
}

// DescribeTrash implements backends.Backend.
func (m *imitating) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	s, err := m.Store.DescribeTrash(ctx, name)
	return m.hide(s), err
}

// DescribePart implements backends.VersionPager.
func (m *imitating) DescribePart(ctx context.Context, name secret.Name, p secret.Part) (*secret.Secret, error) {
	if show := p.Show; show != nil {
		p.Show = func(s *secret.Secret, v *secret.Version) bool {
			seen := *v
			m.hideVersion(&seen)
			return show(s, &seen)
		}
	}
	s, err := m.Store.DescribePart(ctx, name, p)
	return m.hide(s), err
}

// MaxTags implements backends.TagLimiter.
func (m *imitating) MaxTags() int { return m.as.MaxTags }
