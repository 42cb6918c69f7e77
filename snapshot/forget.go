package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Policy says how many snapshots of each store are kept: the last ones, and the
// last one of each of so many days, ISO weeks and months, in UTC, that have any.
type Policy struct{ Last, Daily, Weekly, Monthly int }

// IsZero reports whether the policy says nothing.
func (p Policy) IsZero() bool { return p == Policy{} }

// Keep says which of the snapshots, the oldest first, the policy keeps, and why.
// The newest whole one of each store is always kept, and the newest that lacks no more
// than was agreed to: of some stores none is ever whole.
func (p Policy) Keep(all []*Snapshot) map[string][]string {
	type of struct{ gateway, store string }
	groups := map[of][]*Snapshot{}
	for _, s := range slices.Backward(all) {
		key := of{s.Gateway, s.Store}
		groups[key] = append(groups[key], s)
	}
	why := map[string][]string{}
	for _, newestFirst := range groups {
		for _, rule := range []struct {
			word   string
			most   int
			period func(time.Time) string
		}{
			{"last", p.Last, nil},
			{"daily", p.Daily, func(t time.Time) string { return t.Format(time.DateOnly) }},
			{"weekly", p.Weekly, func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprint(y, w) }},
			{"monthly", p.Monthly, func(t time.Time) string { return t.Format("2006-01") }},
		} {
			kept, last := 0, ""
			for _, s := range newestFirst {
				if kept == rule.most {
					break
				}
				if rule.period != nil {
					period := rule.period(s.Begun.UTC())
					if period == last {
						continue
					}
					last = period
				}
				kept++
				why[s.ID] = append(why[s.ID], rule.word)
			}
		}
		whole, asked := slices.IndexFunc(newestFirst, (*Snapshot).Whole), slices.IndexFunc(newestFirst, (*Snapshot).AsAsked)
		if whole >= 0 {
			why[newestFirst[whole].ID] = append(why[newestFirst[whole].ID], "newest whole")
		}
		if asked >= 0 && asked != whole {
			why[newestFirst[asked].ID] = append(why[newestFirst[asked].ID], "newest as accepted")
		}
	}
	return why
}

// Forget keeps a snapshot no more. Its documents stay until a prune.
func (r *Repository) Forget(lock *Lock, by string, s *Snapshot) error {
	f := &Forgotten{
		Vaultferry: kindForgotten, Format: Format, Repository: r.id, Snapshot: s.ID, Predecessor: s.Predecessor, Begun: s.Begun, Store: s.Store,
		By: by, At: r.now().UTC().Truncate(time.Millisecond),
	}
	line, err := sign(r.keys, typeForgotten, f)
	if err != nil {
		return err
	}
	if err := lock.Check(); err != nil {
		return err
	}
	if err := r.publish(dirForgotten+"/"+s.ID, line); err != nil {
		return err
	}
	if err := r.remove(dirSnapshots + "/" + s.ID); err != nil && !errors.Is(err, secret.NotFound) {
		return err
	}
	return nil
}

// Lost is a snapshot that is missing or cannot be read, so that it can be
// forgotten. Nil: it is none of those.
func (h *History) Lost(id string) *Snapshot {
	if !slices.ContainsFunc(h.Damage, func(d Damage) bool { return d.File == dirSnapshots+"/"+id && digest.MatchString(id) }) {
		return nil
	}
	return &Snapshot{ID: id}
}
