package migrate

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/internal/inorder"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// Planner makes a plan. It writes to neither store.
type Planner struct {
	From, To Side
	Header   Header
	Key      inventory.Key
	Mapping  Mapping
	// Takes is asked about each name of the source. Names, if not nil, are asked
	// for one by one instead of what the source lists.
	Takes func(secret.Name) bool
	Names []secret.Name
	// Readers is how many secrets are looked at once.
	Readers int
	// Ends reports whether an error about one secret will meet all the others.
	Ends func(error) bool
	Now  func() time.Time
	// Total is told how many secrets there are to look at, once that is known. May
	// be nil.
	Total func(int)
	// Unmet is told of what Mapping renames and the source does not have, sorted, if
	// there is any. May be nil.
	Unmet func([]secret.Name)

	twins   map[string][]secret.Name
	there   map[secret.Name]bool // what the target lists
	source  *inventory.Source
	target  *inventory.Source
	leftOut []secret.LeftOut
	cost    cost
}

// found is a name of the source. One that cannot move has its class already.
type found struct {
	name  secret.Name
	class Class
	why   string
}

// Make writes the plan and calls tell with each of its entries. Nothing counts
// before it returns without an error. A *CollisionError refuses the plan.
func (p *Planner) Make(ctx context.Context, w io.Writer, tell func(*Entry) error) (*End, error) {
	all, err := p.names(ctx)
	if err != nil {
		return nil, err
	}
	if p.Total != nil {
		p.Total(len(all))
	}
	p.tellUnmet(all)
	names, err := p.moving(ctx, all)
	if err != nil {
		return nil, err
	}
	if err := p.Mapping.targets(names); err != nil {
		return nil, err
	}
	if p.To.FoldsCase {
		p.twins = p.Mapping.twins(names)
	}
	if err := p.listTarget(ctx); err != nil {
		return nil, err
	}
	out, err := newPlanWriter(w, p.Key, p.Header)
	if err != nil {
		return nil, err
	}
	each := func(_ context.Context, do func(found) error) error {
		for _, f := range all {
			if err := do(f); err != nil {
				return err
			}
		}
		return nil
	}
	begun := p.Now()
	p.cost.target = p.To.Requests
	err = inorder.Do(ctx, p.Readers, each, p.look, func(e *Entry) error {
		if e == nil { // it went since it was listed
			return nil
		}
		return errors.Join(out.write(e), tell(e))
	})
	if err != nil {
		return nil, err
	}
	out.end.Requests, out.end.Seconds = p.cost.expect(p.Now().Sub(begun))
	out.end.LeftOut = secret.LeftOutSentences(p.leftOut)
	return out.close(p.Now())
}

func (p *Planner) tellUnmet(all []found) {
	unmet := maps.Clone(p.Mapping.Rename)
	for _, f := range all {
		delete(unmet, f.name)
	}
	if len(unmet) > 0 && p.Unmet != nil {
		p.Unmet(slices.Sorted(maps.Keys(unmet)))
	}
}

// names are all that the plan is about, sorted.
func (p *Planner) names(ctx context.Context) ([]found, error) {
	var all []found
	if p.Names != nil {
		for _, n := range p.Names {
			all = append(all, found{name: n})
		}
		slices.SortFunc(all, func(a, b found) int { return strings.Compare(string(a.name), string(b.name)) })
		return slices.CompactFunc(all, func(a, b found) bool { return a.name == b.name }), nil
	}
	p.source = &inventory.Source{
		List: func(ctx context.Context, q secret.Query) (secret.Page, error) {
			q.WithTrash = true
			return p.From.List(ctx, q)
		},
		LeftOut: func(l secret.LeftOut) {
			switch {
			case l.Why != secret.LeftOutUnreadable:
				p.leftOut = append(p.leftOut, l)
			case p.Takes(l.Name):
				all = append(all, found{l.Name, Unreadable, l.Detail})
			}
		},
		Empty: func(l secret.LeftOut) {
			if p.Takes(l.Name) {
				all = append(all, emptyOf(l))
			}
		},
		Takes: func(s *secret.Secret) bool { return p.Takes(s.Name) },
	}
	err := p.source.Each(ctx, func(s *secret.Secret) error {
		all = append(all, foundOf(s))
		return nil
	})
	slices.SortFunc(all, func(a, b found) int { return strings.Compare(string(a.name), string(b.name)) })
	return all, err
}

func foundOf(s *secret.Secret) found {
	f := found{name: s.Name}
	if d := s.Deleted; d != nil {
		f.class, f.why = Deleted, "it lies in the source's trash"
		if !d.Purge.IsZero() {
			f.why += " until " + d.Purge.UTC().Format(time.RFC3339)
		}
	}
	return f
}

// emptyOf is a name under which nothing can be read. Half a secret ought to move.
func emptyOf(l secret.LeftOut) found {
	if l.Why == secret.LeftOutUnfinished {
		return found{l.Name, Unreadable, "its import is not finished: " + l.Detail}
	}
	return found{l.Name, Deleted, l.Detail}
}

func (p *Planner) listTarget(ctx context.Context) error {
	p.there = map[secret.Name]bool{}
	p.target = &inventory.Source{List: p.To.List, Takes: func(*secret.Secret) bool { return true }}
	return p.target.Each(ctx, func(s *secret.Secret) error {
		p.there[s.Name] = true
		return nil
	})
}

// look makes the entry of one secret; nil: it is gone.
func (p *Planner) look(ctx context.Context, f found) (*Entry, error) {
	e := &Entry{Name: f.name}
	switch {
	case f.class != "":
		e.Class, e.Why = f.class, f.why
		return e, nil
	case !p.maps(e):
		if _, err := p.reclass(ctx, e); !errors.Is(err, errGone) {
			return e, err
		}
		return nil, nil
	}
	ctx, requests := backends.WithCallCount(ctx)
	source, err := p.classify(ctx, e)
	switch {
	case errors.Is(err, errGone):
		return nil, nil
	case err != nil:
		return nil, err
	}
	p.cost.add(e, requests(), source)
	return e, nil
}

// maps finds the name at the target.
func (p *Planner) maps(e *Entry) bool {
	to, err := p.Mapping.To(e.Name)
	spelled := string(to)
	if err == nil && p.To.Spell != nil {
		spelled, err = p.To.Spell(to)
	}
	if err != nil {
		e.Class, e.Why = Unmappable, message(err)
		return false
	}
	e.To = to
	if spelled != string(to) {
		e.Spelled = spelled
	}
	for _, twin := range p.twins[strings.ToLower(string(to))] {
		if twin != to {
			e.Notes = append(e.Notes, "to who uses the target's product this is the same name as "+string(twin))
		}
	}
	return true
}

// message says an error as the reader of a plan needs it.
func message(err error) string { return strings.Join(strings.Fields(secret.Explain(err)), " ") }
