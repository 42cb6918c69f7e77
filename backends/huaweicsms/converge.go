package huaweicsms

import (
	"context"
	"maps"
	"slices"

	"github.com/vaultferry/vaultferry/secret"
)

// wanted is what a secret is to be, beside its versions. What it does not
// name stays. Whoever stopped midway begins anew from what stands then.
type wanted struct {
	description string
	tags        map[string]string // all, as the product spells them
	expires     map[int64]int64   // by number, in milliseconds
	labels      map[string]int64  // to their holders, roles among them
	drop        []string          // labels
	// last: the description comes after all else, not before.
	last bool
}

// step is one write, and what it makes of the facts.
type step struct {
	write func(context.Context) error
	noted func()
}

// steps are the writes from f to what is wanted, in their order.
func (x *wanted) steps(r remote, f *facts) []step {
	var out []step
	for _, number := range slices.Sorted(maps.Keys(x.expires)) {
		out = append(out, x.expire(r, f, number)...)
	}
	for _, stage := range x.drop {
		out = append(out, step{func(ctx context.Context) error { return r.unlabel(ctx, stage) }, func() { f.unlabel(stage) }})
	}
	out = append(out, x.label(r, f)...)
	out = append(out, x.retag(r, f)...)
	if x.description == f.description {
		return out
	}
	describe := step{func(ctx context.Context) error { return r.describe(ctx, x.description) }, func() { f.description = x.description }}
	if x.last {
		return append(out, describe)
	}
	return append([]step{describe}, out...)
}

func (x *wanted) expire(r remote, f *facts, number int64) []step {
	at, v := x.expires[number], f.version(number)
	if at == 0 || expiry(v.expires) == at {
		return nil
	}
	return []step{{
		func(ctx context.Context) error { return r.expire(ctx, number, at) },
		func() { f.version(number).expires = millis(&at) },
	}}
}

// label moves the roles last, and the previous one after the current one:
// nobody knows whether the product lets it follow.
func (x *wanted) label(r remote, f *facts) []step {
	var out []step
	moves := func(stage string) {
		number := x.labels[stage]
		out = append(out, step{
			func(ctx context.Context) error { return r.label(ctx, stage, number) },
			func() { f.label(stage, number) },
		})
	}
	for _, stage := range slices.Sorted(maps.Keys(x.labels)) {
		if custom(stage) && f.holder(stage) != x.labels[stage] {
			moves(stage)
		}
	}
	current, previous := x.labels[sysCurrent], x.labels[sysPrevious]
	moved := current != 0 && f.holder(sysCurrent) != current
	if moved {
		moves(sysCurrent)
	}
	if previous != 0 && (moved || f.holder(sysPrevious) != previous) {
		moves(sysPrevious)
	}
	return out
}

func (x *wanted) retag(r remote, f *facts) []step {
	gone, set := map[string]string{}, map[string]string{}
	for k, v := range f.tags {
		if _, stays := x.tags[k]; !stays {
			gone[k] = v
		}
	}
	for k, v := range x.tags {
		if have, there := f.tags[k]; !there || have != v {
			set[k] = v
		}
	}
	var out []step
	for _, change := range []struct {
		action string
		tags   map[string]string
	}{{tagsDelete, gone}, {tagsCreate, set}} {
		if len(change.tags) > 0 {
			out = append(out, step{
				func(ctx context.Context) error { return r.retag(ctx, f.id, change.action, change.tags) },
				func() { f.retag(change.action, change.tags) },
			})
		}
	}
	return out
}

// run makes the writes in turn and says how many are done.
func run(ctx context.Context, steps []step) (done int, err error) {
	for _, s := range steps {
		if err := s.write(ctx); err != nil {
			return done, err
		}
		s.noted()
		done++
	}
	return done, nil
}

func (f *facts) label(stage string, number int64) {
	f.unlabel(stage)
	v := f.version(number)
	v.stages = append(v.stages, stage)
}

func (f *facts) unlabel(stage string) {
	for i := range f.versions {
		f.versions[i].stages = slices.DeleteFunc(slices.Clone(f.versions[i].stages), func(s string) bool { return s == stage })
	}
}

func (f *facts) retag(action string, tags map[string]string) {
	all := maps.Clone(f.tags)
	if all == nil {
		all = map[string]string{}
	}
	for k, v := range tags {
		if action == tagsDelete {
			delete(all, k)
		} else {
			all[k] = v
		}
	}
	f.tags = all
}

// answer is the state with that one version.
func (b *Backend) answer(name secret.Name, f *facts, number int64, v secret.Value) *secret.Secret {
	h := newStored(b.scope, name, f)
	i := slices.Index(h.numbers, number)
	h.Versions[i].Value, h.Versions[i].Missing = v, ""
	return h.Only(h.Versions[i].Ordinal)
}
