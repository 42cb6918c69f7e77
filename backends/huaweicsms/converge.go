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
	expires     map[int64]int64   // by number, in milliseconds; zero: as it is
	labels      map[string]int64  // to their holders, roles among them; zero: as it is
	drop        []string          // labels
	// last: the description comes after all else, not before.
	last bool
}

// step is one write.
type step func(context.Context) error

// steps are the writes to what is wanted, in their order.
func (x *wanted) steps(w writer) (out []step) {
	for _, number := range slices.Sorted(maps.Keys(x.expires)) {
		if at := x.expires[number]; at != 0 && at != expiry(w.facts.version(number).expires) {
			out = append(out, func(ctx context.Context) error { return w.expire(ctx, number, at) })
		}
	}
	for _, stage := range x.drop {
		out = append(out, func(ctx context.Context) error { return w.unlabel(ctx, stage) })
	}
	out = append(out, x.moves(w)...)
	out = append(out, x.retag(w)...)
	if x.description == w.facts.description {
		return out
	}
	describe := func(ctx context.Context) error { return w.describe(ctx, x.description) }
	if x.last {
		return append(out, describe)
	}
	return append([]step{describe}, out...)
}

// moves are those of labels, and last of the roles: the previous one after the
// current one, for nobody knows whether the product lets it follow.
func (x *wanted) moves(w writer) (out []step) {
	move := func(stage string) {
		out = append(out, func(ctx context.Context) error { return w.label(ctx, stage, x.labels[stage]) })
	}
	differs := func(stage string) bool { return x.labels[stage] != 0 && x.labels[stage] != w.facts.holder(stage) }
	for _, stage := range slices.Sorted(maps.Keys(x.labels)) {
		if custom(stage) && differs(stage) {
			move(stage)
		}
	}
	current := differs(sysCurrent)
	if current {
		move(sysCurrent)
	}
	if x.labels[sysPrevious] != 0 && (current || differs(sysPrevious)) {
		move(sysPrevious)
	}
	return out
}

func (x *wanted) retag(w writer) (out []step) {
	gone, set := maps.Clone(w.facts.tags), maps.Clone(x.tags)
	maps.DeleteFunc(gone, func(k, _ string) bool { _, stays := x.tags[k]; return stays })
	maps.DeleteFunc(set, func(k, v string) bool { have, there := w.facts.tags[k]; return there && have == v })
	if len(gone) > 0 {
		out = append(out, func(ctx context.Context) error { return w.retag(ctx, tagsDelete, gone) })
	}
	if len(set) > 0 {
		out = append(out, func(ctx context.Context) error { return w.retag(ctx, tagsCreate, set) })
	}
	return out
}

// run makes the writes in turn and says how many are done.
func run(ctx context.Context, steps []step) (done int, err error) {
	for done < len(steps) && err == nil {
		if err = steps[done](ctx); err == nil {
			done++
		}
	}
	return done, err
}

// answer is the state with that one version.
func (b *Backend) answer(name secret.Name, f *facts, number int64, v secret.Value) *secret.Secret {
	h := newStored(b.scope, name, f)
	i := slices.Index(h.numbers, number)
	h.Versions[i].Value, h.Versions[i].Missing = v, ""
	return h.Only(h.Versions[i].Ordinal)
}
