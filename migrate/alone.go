package migrate

import (
	"context"
	"errors"
	"strings"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// The source is asked for names alone, among which are those of what does not move.
// They are told apart where it matters: before two of them refuse a plan, and where
// nothing is read under one.

// moving are the names of all that the plan may move.
func (p *Planner) moving(ctx context.Context, all []found) ([]secret.Name, error) {
	if p.Names == nil {
		at := p.Mapping.rivals(all, p.To.FoldsCase)
		for _, i := range at {
			if all[i].class != "" {
				continue
			}
			switch f, err := p.resolve(ctx, all[i].name); {
			case err == nil:
				all[i] = f
			case !errors.Is(err, errGone):
				return nil, err
			}
		}
	}
	names := make([]secret.Name, 0, len(all))
	for _, f := range all {
		if f.class != Deleted {
			names = append(names, f.name)
		}
	}
	return names, nil
}

// rivals are the places of those that get one name at the target, or one in other
// case where it folds.
func (m *Mapping) rivals(all []found, folds bool) []int {
	first := make(map[secret.Name]int, len(all))
	var at []int
	for i := range all {
		to, err := m.To(all[i].name)
		if err != nil {
			continue
		}
		if folds {
			to = secret.Name(strings.ToLower(string(to)))
		}
		switch before, met := first[to]; {
		case !met:
			first[to] = i
			continue
		case before >= 0:
			at = append(at, before)
			first[to] = -1
		}
		at = append(at, i)
	}
	return at
}

// resolve finds out what is under a name; without a class it is a secret, or gone.
// What cannot be found out is unreadable.
func (p *Planner) resolve(ctx context.Context, name secret.Name) (found, error) {
	is, leftOut, err := p.source.Resolve(ctx, name)
	switch {
	case err != nil && p.fatal(ctx, err):
		return found{}, err
	case err != nil:
		return found{name, Unreadable, message(err)}, nil
	case leftOut != nil && leftOut.Incomplete():
		return found{name, Unreadable, leftOut.Detail}, nil
	case leftOut != nil:
		return emptyOf(*leftOut), nil
	case is == nil:
		return found{name: name}, errGone
	}
	return foundOf(is), nil
}

// reclass gives the entry the class of what does not move, if its name is that of
// such a thing.
func (p *Planner) reclass(ctx context.Context, e *Entry) (done bool, err error) {
	if p.Names != nil {
		return false, nil
	}
	f, err := p.resolve(ctx, e.Name)
	if err != nil || f.class == "" {
		return false, err
	}
	*e = Entry{Name: e.Name, Class: f.class, Why: f.why}
	return true, nil
}

// shown reports whether the target shows a secret of which nothing is left to be
// read.
func (p *Planner) shown(ctx context.Context, e *inventory.Entry) (bool, error) {
	if !e.Empty() {
		return true, nil
	}
	is, _, err := p.target.Resolve(ctx, e.Name)
	return is != nil, err
}
