package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/limits"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/dialects/huawei"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// wireNames say under which name a vendor's clients ask for a secret.
var wireNames = map[string]func(secret.Name) (string, error){"azure": azure.WireName, "huawei": huawei.WireName}

// other is the dialect that is not d.
func other(d string) string {
	if d == "azure" {
		return "huawei"
	}
	return "azure"
}

// spellable is the name, cut so far that the dialect's clients can ask for it.
func spellable(dialect string, name secret.Name) secret.Name {
	for {
		if _, err := wireNames[dialect](name); err == nil {
			return name
		}
		runes := []rune(string(name))
		name = secret.Name(runes[:len(runes)-1])
	}
}

// stop is a store on a way, and its clients of both vendors.
type stop struct {
	kind    string
	store   string
	backend backends.Backend
	clients map[string]client
}

// client returns a client that can ask for the name: of the dialect, or else
// of the other.
func (s *stop) client(dialect string, name secret.Name) (c client, wire string) {
	wire, err := wireNames[dialect](name)
	if err != nil {
		return s.client(other(dialect), name)
	}
	return s.clients[dialect], wire
}

// journey is a way there, and back into a third store.
type journey struct {
	way
	locks            *kit.KeyedLock
	from, into, home *stop
	strict           *stop // like into, but accepts no loss
	// thorough also tries what must be refused.
	thorough bool
}

func newStop(t *testing.T, g *gatewaytest.Gateway, kind, store string, b backends.Backend) *stop {
	t.Helper()
	s := &stop{kind: kind, store: store, backend: b, clients: map[string]client{}}
	for dialect, open := range dialects {
		s.clients[dialect] = open(t, g, store)
	}
	return s
}

func (m *matrix) journey(t *testing.T, w way) *journey {
	t.Helper()
	at := func(role, kind string) *stop {
		return newStop(t, m.Gateway, kind, role+"-"+kind, m.backends[role+"-"+kind])
	}
	return &journey{
		way: w, locks: &m.locks,
		from: at("from", w.from), into: at("into", w.into), home: at("home", w.from), strict: at("strict", w.into),
	}
}

// trip is what became of a secret on a journey.
type trip struct {
	// What each store held; nil from where on it was refused.
	left, arrived, returned *secret.Secret
	// What was foretold of each store.
	first, there, back []secret.Loss
	wrong              []string // no value in it
}

func (tr *trip) say(format string, args ...any) {
	tr.wrong = append(tr.wrong, fmt.Sprintf(format, args...))
}

// take sends s through all of it and removes it again.
func (j *journey) take(ctx context.Context, s *secret.Secret) *trip {
	tr := new(trip)
	release, err := j.locks.Lock(ctx, s.Name)
	if err != nil {
		tr.say("%v", err)
		return tr
	}
	defer release()
	defer j.free(ctx, s.Name, tr)
	tr.first = j.from.backend.Forecast(s)
	if tr.left = j.enter(ctx, s, tr); tr.left == nil {
		return tr
	}
	tr.there = j.into.backend.Forecast(tr.left)
	if tr.arrived = j.hop(ctx, j.out, j.from, j.in, j.into, tr.left, tr); tr.arrived == nil {
		return tr
	}
	tr.back = j.home.backend.Forecast(tr.arrived)
	tr.returned = j.hop(ctx, other(j.in), j.into, other(j.out), j.home, tr.arrived, tr)
	if tr.returned == nil {
		return tr
	}
	j.home.ask(ctx, s, tr.returned, j.step(s), tr)
	whole := unsaved(unshown(loss.Apply(s, tr.first), tr.left))
	whole = unsaved(unshown(loss.Apply(whole, tr.there), tr.arrived))
	for _, d := range backendtest.Differences(whole, tr.returned, tr.back) {
		tr.say("of the original: %s", d)
	}
	return tr
}

// unshown returns want without the values that the product of got holds and
// does not show.
func unshown(want, got *secret.Secret) *secret.Secret {
	for i := range want.Versions {
		w := &want.Versions[i]
		if g := got.Find(secret.ByOrdinal(w.Ordinal)); g != nil && g.Missing == secret.Unreadable {
			w.Value, w.Missing = g.Value, g.Missing
		}
	}
	return want
}

// unsaved returns s as a restore elsewhere makes it of what its product did not
// show: nothing brings such a value back there.
func unsaved(s *secret.Secret) *secret.Secret {
	var losses []secret.Loss
	for _, l := range secret.ExportLosses(s) {
		if l.What == loss.Value {
			losses = append(losses, l)
		}
	}
	return loss.Apply(s, losses)
}

// enter puts s where its way begins.
func (j *journey) enter(ctx context.Context, s *secret.Secret, tr *trip) *secret.Secret {
	_, err := j.from.backend.Import(ctx, s, "token")
	switch {
	case refuses(j.from, s):
		if err == nil {
			tr.say("the source took what it cannot hold")
		}
		return nil
	case err != nil:
		tr.say("into the source: %v", err)
		return nil
	}
	left, err := j.from.backend.Export(ctx, s.Name)
	if err != nil {
		tr.say("out of the source: %v", err)
		return nil
	}
	for _, d := range backendtest.Differences(s, left, tr.first) {
		tr.say("in the source: %s", d)
	}
	return left
}

// refuses reports whether the store must refuse s: it cannot spell the name,
// or hold any version.
func refuses(at *stop, s *secret.Secret) bool {
	if p, ok := limits.Of(at.kind); ok && p.As != "" {
		if _, err := all.Profiles()[p.As].Names.Spell(s.Name); err != nil {
			return true
		}
	}
	_, err := history.HeadOf(s)
	return err != nil || len(loss.Apply(s, at.backend.Forecast(s)).Versions) == 0
}

// hop backs the secret up at one stop and restores it at the next, each by a
// vendor's client, and returns what stands there, or nil.
func (j *journey) hop(ctx context.Context, out string, a *stop, in string, b *stop, left *secret.Secret, tr *trip) *secret.Secret {
	from, wire := a.client(out, left.Name)
	blob, err := from.backup(ctx, wire)
	if err != nil {
		tr.say("%s: backup by %s: %v", a.kind, out, err)
		return nil
	}
	losses := b.backend.Forecast(left)
	if _, err := wireNames[in](left.Name); err != nil {
		_, err := b.clients[in].restore(ctx, blob)
		b.refused(ctx, "a name that "+in+" cannot spell", err, left.Name, tr)
	}
	if j.thorough && b == j.into {
		j.refuse(ctx, in, blob, left, losses, tr)
	}
	to, wire := b.client(in, left.Name)
	restored, err := to.restore(ctx, blob)
	switch {
	case refuses(b, left):
		b.refused(ctx, "what it cannot hold", err, left.Name, tr)
		return nil
	case err != nil:
		tr.say("%s: restore by %s: %v", b.kind, in, err)
		return nil
	case restored != wire:
		tr.say("%s: the answer names %q, not %q", b.kind, restored, wire)
	}
	arrived, err := b.backend.Export(ctx, left.Name)
	if err != nil {
		tr.say("%s: %v", b.kind, err)
		return nil
	}
	for _, d := range backendtest.Differences(unsaved(left), arrived, losses) {
		tr.say("%s: %s", b.kind, d)
	}
	if b == j.into {
		b.ask(ctx, left, arrived, j.step(left), tr)
	}
	if j.thorough {
		if _, err := to.restore(ctx, blob); err == nil {
			tr.say("%s: a second restore touches what stands", b.kind)
		}
	}
	return arrived
}

// refused checks the refusal of a restore, and that it wrote nothing.
func (s *stop) refused(ctx context.Context, what string, err error, name secret.Name, tr *trip) {
	if status, _, ok := vendorError(err); !ok || status != http.StatusBadRequest {
		tr.say("%s: %s is not refused: %d %v", s.kind, what, status, err)
	}
	if _, err := s.backend.Describe(ctx, name); !errors.Is(err, secret.NotFound) && !errors.Is(err, secret.Invalid) {
		tr.say("%s: a refused restore wrote something: %v", s.kind, err)
	}
}

// refuse restores into the store that accepts no loss: it says which version
// and why, and writes nothing.
func (j *journey) refuse(ctx context.Context, in string, blob []byte, left *secret.Secret, losses []secret.Loss, tr *trip) {
	_, err := j.strict.clients[in].restore(ctx, blob)
	if secret.Worst(losses) <= secret.Trace {
		if err != nil {
			tr.say("nothing would be lost, and still: %v", err)
		}
		return
	}
	j.strict.refused(ctx, "a loss", err, left.Name, tr)
	gravest := losses[slices.IndexFunc(losses, func(l secret.Loss) bool { return l.Grade == secret.Worst(losses) })]
	which := fmt.Sprintf("version %d", gravest.Version)
	if gravest.Version == 0 {
		which = "of the secret"
	}
	if _, message, _ := vendorError(err); !strings.Contains(message, which) || !strings.Contains(message, gravest.Why) {
		tr.say("the refusal does not name version and reason: %s", message)
	}
}

// fewVersions are all asked for; of more, some.
const fewVersions = 8

func (j *journey) step(s *secret.Secret) int {
	if j.thorough {
		return 1
	}
	return 1 + len(s.Versions)/(fewVersions+1)
}

// ask reads each step-th version and the current one under the ids that they
// had where they came from, through both dialects.
func (s *stop) ask(ctx context.Context, was, now *secret.Secret, step int, tr *trip) {
	for dialect, c := range s.clients {
		wire, err := wireNames[dialect](was.Name)
		if err != nil {
			continue // its clients cannot ask
		}
		for i := range was.Versions {
			v := &was.Versions[i]
			if i%step != 0 && v.Ordinal != was.Current {
				continue
			}
			n := now.Find(secret.ByOrdinal(v.Ordinal))
			got, err := c.read(ctx, wire, v)
			switch {
			case n == nil || n.Value.IsNone() || n.Disabled || n.UID != v.UID && dialect == "azure":
				if err == nil {
					tr.say("%s: %s: version %d answers, though it is gone or disabled", s.kind, dialect, v.Ordinal)
				}
			case err != nil:
				tr.say("%s: %s: version %d does not answer: %v", s.kind, dialect, v.Ordinal, err)
			case string(got) != string(n.Value.Reveal()):
				tr.say("%s: %s: version %d answers with another value", s.kind, dialect, v.Ordinal)
			}
		}
	}
}

// free removes the secret everywhere, so that others may have its name.
func (j *journey) free(ctx context.Context, name secret.Name, tr *trip) {
	for _, s := range []*stop{j.from, j.into, j.home, j.strict} {
		s.free(ctx, name, tr)
	}
}

func (s *stop) free(ctx context.Context, name secret.Name, tr *trip) {
	_, err := s.backend.Delete(ctx, name, time.Time{})
	if errors.Is(err, secret.NotFound) || errors.Is(err, secret.Invalid) {
		return
	}
	if err := errors.Join(err, s.backend.Purge(ctx, name)); err != nil {
		tr.say("%s: remove: %v", s.kind, err)
	}
}
