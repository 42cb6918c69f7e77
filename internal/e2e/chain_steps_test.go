package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// chain is a secret on its way through stores, and what must be true of it.
type chain struct {
	*world
	trip
	name secret.Name
	at   *stop
	want *secret.Secret // what stands there
	// Of every version that there ever was: what it holds and its number.
	values   map[secret.UID]secret.Value
	ordinals map[secret.UID]secret.Ordinal
	backups  []sealed
	writes   int
}

// sealed is a backup of the secret, and what it holds.
type sealed struct {
	blob []byte
	doc  *secret.Secret
}

// begin picks the first store, and whether its own client writes first.
func (c *chain) begin(rt *rapid.T) (nativeFirst bool) {
	stops := c.stops
	if len(c.natives) > 0 {
		nativeFirst = rapid.Bool().Draw(rt, "native first")
	}
	if nativeFirst {
		stops = slices.DeleteFunc(slices.Clone(stops), func(s *stop) bool { return c.natives[s.store] == nil })
	}
	c.at = rapid.SampledFrom(stops).Draw(rt, "first store")
	return nativeFirst
}

// follow imports s somewhere and takes some steps with it.
func (c *chain) follow(ctx context.Context, rt *rapid.T, s *secret.Secret) {
	nativeFirst := c.begin(rt)
	defer func() { c.at.free(ctx, c.name, &c.trip) }()
	if refuses(c.at, s) {
		return
	}
	if _, err := c.at.backend.Import(ctx, s, "token"); err != nil {
		c.say("%s: import: %v", c.at.kind, err)
		return
	}
	for i := range s.Versions {
		c.knows(&s.Versions[i])
	}
	c.settle(ctx, "import", loss.Apply(s, c.at.backend.Forecast(s)))
	if nativeFirst {
		c.native(ctx, rt)
	}
	steps := map[string]func(context.Context, *rapid.T){"move": c.move, "append": c.appendOld, "put": c.put, "native": c.native, "update": c.update}
	words := []string{"move", "move", "append", "put", "native", "update"}
	for range rapid.IntRange(1, 8).Draw(rt, "steps") {
		word := rapid.SampledFrom(words).Draw(rt, "step")
		if steps[word](ctx, rt); len(c.wrong) > 0 {
			c.say("after %s at %s", word, c.at.kind)
			return
		}
	}
	c.askAll(ctx)
}

func (c *chain) knows(v *secret.Version) {
	c.ordinals[v.UID] = v.Ordinal
	if !v.Value.IsNone() {
		c.values[v.UID] = v.Value
	}
}

// settle compares what stands with what should. A UID that is lost, and so not
// known in want, is any that is new.
func (c *chain) settle(ctx context.Context, what string, want *secret.Secret) {
	got, err := c.at.backend.Export(ctx, c.name)
	if err != nil {
		c.say("%s: %s: %v", c.at.kind, what, err)
		return
	}
	for i := range want.Versions {
		w := &want.Versions[i]
		g := got.Find(secret.ByOrdinal(w.Ordinal))
		if g == nil {
			continue // Differences tells
		}
		if w.UID.IsZero() {
			if _, known := c.ordinals[g.UID]; known {
				c.say("%s: %s: version %d goes by the id of another", c.at.kind, what, w.Ordinal)
			}
			c.ordinals[g.UID] = g.Ordinal
			c.values[g.UID] = g.Value
		}
		if w.Missing == secret.Unreadable && !g.Value.IsNone() { // it was disabled, and is no more
			w.Value, w.Missing = c.values[g.UID], ""
		}
	}
	for _, d := range backendtest.Differences(want, got, nil) {
		c.say("%s: %s: %s", c.at.kind, what, d)
	}
	c.want = got
	for i := range got.Versions {
		c.found(ctx, what, &got.Versions[i])
	}
}

// found asks the store for a version by each of its ids.
func (c *chain) found(ctx context.Context, what string, v *secret.Version) {
	if known, ok := c.values[v.UID]; ok && !v.Value.IsNone() && !known.Equal(v.Value) {
		c.say("%s: %s: version %d holds another value than under this id before", c.at.kind, what, v.Ordinal)
	}
	for _, sel := range []secret.Selector{secret.ByOrdinal(v.Ordinal), secret.ByUID(v.UID)} {
		got, err := c.at.backend.Get(ctx, c.name, sel)
		if err != nil {
			c.say("%s: %s: version %d is not found as %v: %v", c.at.kind, what, v.Ordinal, sel, err)
			continue
		}
		if g := got.Newest(); g.UID != v.UID || g.Ordinal != v.Ordinal || !g.Value.Equal(v.Value) || !g.Created.Equal(v.Created) {
			c.say("%s: %s: as %v another version is found than %d", c.at.kind, what, sel, v.Ordinal)
		}
	}
}

// askAll asks for every version that there ever was by both dialects.
func (c *chain) askAll(ctx context.Context) {
	ever := &secret.Secret{Name: c.name}
	for uid, o := range c.ordinals {
		ever.Versions = append(ever.Versions, secret.Version{UID: uid, Ordinal: o, Value: c.values[uid]})
	}
	c.at.ask(ctx, ever, c.want, 1, &c.trip)
}

func mayRefuse(err error) bool {
	return slices.ContainsFunc([]secret.Kind{secret.Invalid, secret.TooLarge, secret.Lossy, secret.Unsupported}, func(k secret.Kind) bool { return errors.Is(err, k) })
}

// refusedStep: what was refused changed nothing.
func (c *chain) refusedStep(ctx context.Context, what string, err error) {
	if !mayRefuse(err) || errors.Is(err, secret.Partial) {
		c.say("%s: %s: %v", c.at.kind, what, err)
		return
	}
	c.settle(ctx, what+", refused", c.want)
}

func (c *chain) ref() gateway.Ref { return gateway.Ref{Store: c.at.store, Name: c.name} }

// move backs the secret up, restores it elsewhere, and removes it here.
func (c *chain) move(ctx context.Context, rt *rapid.T) {
	to := rapid.SampledFrom(c.stops).Draw(rt, "to")
	blob, err := c.Service.Backup(ctx, tester, c.ref())
	if err != nil {
		c.say("%s: backup: %v", c.at.kind, err)
		return
	}
	c.backups = append(c.backups, sealed{blob, c.want.Clone()})
	if to == c.at {
		return
	}
	out, err := c.Service.Restore(ctx, tester, to.store, blob, gateway.RestoreOptions{})
	if refuses(to, c.want) {
		if !mayRefuse(err) {
			c.say("%s: what cannot be held is not refused: %v", to.kind, err)
		}
		return
	}
	if err != nil {
		c.say("%s: restore: %v", to.kind, err)
		return
	}
	c.at.free(ctx, c.name, &c.trip)
	c.at = to
	c.settle(ctx, "move", loss.Apply(c.want, out.Losses))
}

// put writes a version by the gateway.
func (c *chain) put(ctx context.Context, rt *rapid.T) {
	d := secret.Draft{Value: c.value(), KeepCurrent: rapid.IntRange(0, 3).Draw(rt, "keep current") == 0}
	if rapid.IntRange(0, 3).Draw(rt, "stage") == 0 {
		d.Stages = []string{"blue"}
	}
	made, err := c.Service.Put(ctx, tester, c.ref(), d)
	if err != nil {
		c.refusedStep(ctx, "put", err)
		return
	}
	v := made.Newest()
	c.isNew(v)
	want := c.want.Clone()
	want.Updated = made.Updated
	moveStages(want, d.Stages)
	want.Versions = append(want.Versions, secret.Version{
		Ordinal: v.Ordinal, UID: v.UID, Value: d.Value, Stages: d.Stages, Created: v.Created, Updated: v.Updated,
	})
	if !d.KeepCurrent {
		want.Current, want.Previous = v.Ordinal, want.Current
	}
	got, err := c.at.backend.Describe(ctx, c.name)
	if err != nil {
		c.say("%s: after a put: %v", c.at.kind, err)
		return
	}
	c.settle(ctx, "put", c.roomFor(want, got))
}

func (c *chain) value() secret.Value {
	c.writes++
	return secret.TextValue(fmt.Sprint("written ", c.writes))
}

// isNew: a version that was just written has a number and an id of its own.
func (c *chain) isNew(v *secret.Version) {
	if _, known := c.ordinals[v.UID]; known || v.UID.IsZero() {
		c.say("%s: the new version %d goes by the id of another", c.at.kind, v.Ordinal)
	}
	if last := c.want.Newest(); v.Ordinal <= last.Ordinal {
		c.say("%s: the new version is %d, and %d stands", c.at.kind, v.Ordinal, last.Ordinal)
	}
	if v.Created.IsZero() || v.Updated.IsZero() {
		c.say("%s: the new version %d has no times", c.at.kind, v.Ordinal)
	}
	c.knows(v)
}

// roomFor takes away what the store recycled for the newest of s: where it
// holds one version, the one that stood, else the oldest that is free before
// the roles and labels move, or after.
func (c *chain) roomFor(s, got *secret.Secret) *secret.Secret {
	most := c.at.backend.Capabilities().MaxVersions
	if most == 0 || len(s.Versions) <= most {
		return s
	}
	older := *s
	older.Versions = s.Versions[:len(s.Versions)-1]
	out := &older.Versions[0]
	if most > 1 {
		if out = history.Oldest(&older); out == nil || got.Find(secret.ByOrdinal(out.Ordinal)) != nil {
			out = history.Oldest(c.want)
		}
	}
	if out == nil {
		c.say("%s: a version more than the product holds was taken", c.at.kind)
		return s
	}
	return loss.Apply(s, []secret.Loss{{Grade: secret.Data, Version: out.Ordinal, What: loss.Version}})
}

func moveStages(s *secret.Secret, stages []string) {
	for i := range s.Versions {
		v := &s.Versions[i]
		v.Stages = slices.DeleteFunc(v.Stages, func(x string) bool { return slices.Contains(stages, x) })
	}
}

// native writes a version with the product's own client, where it has one.
func (c *chain) native(ctx context.Context, _ *rapid.T) {
	write := c.natives[c.at.store]
	if write == nil {
		return
	}
	value := c.value()
	if err := write(ctx, string(c.name), string(value.Reveal())); err != nil {
		c.say("%s: the native client: %v", c.at.kind, err)
		return
	}
	got, err := c.at.backend.Describe(ctx, c.name)
	if err != nil {
		c.say("%s: after a native write: %v", c.at.kind, err)
		return
	}
	v := got.Newest()
	v.Value = value
	c.isNew(v)
	want := c.want.Clone()
	want.Updated = got.Updated
	want.Versions = append(want.Versions, *v)
	if want.Current == 0 {
		want.Previous = got.Previous // who was current to the native client
	} else {
		want.Previous = want.Current
	}
	want.Current = v.Ordinal
	c.settle(ctx, "native write", c.roomFor(want, got))
}

// update changes a version, or the roles.
func (c *chain) update(ctx context.Context, rt *rapid.T) {
	want := c.want.Clone()
	v := &want.Versions[rapid.IntRange(0, len(want.Versions)-1).Draw(rt, "version")]
	var p secret.Patch
	switch rapid.SampledFrom([]string{"disabled", "type", "current", "previous", "stage"}).Draw(rt, "what") {
	case "disabled":
		p.Disabled = new(!v.Disabled)
		v.Disabled = !v.Disabled
	case "type":
		p.ContentType = new("text/changed")
		v.ContentType = "text/changed"
	case "current":
		p.MakeCurrent = true
		if want.Current != v.Ordinal {
			want.Current, want.Previous = v.Ordinal, want.Current
		}
	case "previous":
		p.MakePrevious = true
		want.Previous = v.Ordinal
	case "stage":
		p.AddStages = []string{"green"}
		moveStages(want, p.AddStages)
		v.Stages = append(v.Stages, "green")
		slices.Sort(v.Stages)
	}
	got, err := c.Service.Update(ctx, tester, c.ref(), secret.ByOrdinal(v.Ordinal), p)
	if err != nil {
		c.refusedStep(ctx, "update", err)
		return
	}
	if !got.Newest().Updated.After(v.Updated) {
		c.say("%s: the time of the update of version %d stands still", c.at.kind, v.Ordinal)
	}
	want.Updated, v.Updated = got.Updated, got.Newest().Updated
	c.settle(ctx, "update", want)
}

// appendOld restores an older backup of the secret onto it.
func (c *chain) appendOld(ctx context.Context, rt *rapid.T) {
	if len(c.backups) == 0 {
		return
	}
	old := rapid.SampledFrom(c.backups).Draw(rt, "backup")
	out, err := c.Service.Restore(ctx, tester, c.at.store, old.blob, gateway.RestoreOptions{OnConflict: gateway.ConflictAppend})
	if err != nil {
		c.refusedStep(ctx, "append", err)
		return
	}
	want := c.want.Clone()
	want.Updated = out.Secret.Updated
	held, added := loss.Apply(old.doc, out.Losses), 0
	follows := held.Find(secret.ByOrdinal(old.doc.Current)) != nil && c.want.Find(secret.ByOrdinal(out.Versions[old.doc.Current])) == nil
	for i := range held.Versions {
		v := held.Versions[i].Clone()
		was := old.doc.Versions[slices.IndexFunc(old.doc.Versions, func(x secret.Version) bool { return x.Ordinal == v.Ordinal })]
		o, ok := out.Versions[v.Ordinal]
		if !ok {
			c.say("%s: append: version %d is not in the map", c.at.kind, v.Ordinal)
			continue
		}
		if stands := c.want.Find(secret.ByUID(was.UID)); stands != nil && stands.Ordinal != o {
			c.say("%s: append: version %d stands as %d, and is said to be %d", c.at.kind, v.Ordinal, stands.Ordinal, o)
		}
		if c.want.Find(secret.ByOrdinal(o)) != nil {
			continue
		}
		added++
		if o <= want.Newest().Ordinal {
			c.say("%s: append: version %d becomes %d, and %d stands", c.at.kind, v.Ordinal, o, want.Newest().Ordinal)
		}
		takeRoles(want, old.doc, v.Ordinal, o, follows)
		moveStages(want, v.Stages)
		v.Ordinal = o
		c.ordinals[was.UID] = o
		want.Versions = append(want.Versions, v)
	}
	if added != out.Added {
		c.say("%s: append: %d versions are said to be added, and %d are", c.at.kind, out.Added, added)
	}
	c.settle(ctx, "append", want)
}

// takeRoles gives the version that is now o the roles that it had in doc. The
// previous one is current until the current one follows it, if that does.
func takeRoles(s, doc *secret.Secret, was, o secret.Ordinal, follows bool) {
	switch {
	case was == doc.Current, was == doc.Previous && was < doc.Current && follows:
		s.Current, s.Previous = o, s.Current
	case was == doc.Previous:
		s.Previous = o
	}
}
