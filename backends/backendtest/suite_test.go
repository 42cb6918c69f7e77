package backendtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/secret"
)

// broken is the memory store with one thing wrong. Nil functions break nothing.
type broken struct {
	backends.Backend
	name     func(secret.Name) secret.Name
	ctx      func(context.Context) context.Context
	draft    func(*secret.Draft)
	source   func(*secret.Secret)
	out      func(method string, s *secret.Secret)
	err      func(error) error
	query    func(*secret.Query)
	page     func(*secret.Page)
	imported func(*backends.Imported)
	caps     func(*backends.Capabilities)
	forecast func(*secret.Secret) []secret.Loss
	close    func() error
}

func (b *broken) one(ctx context.Context, method string, name secret.Name, call func(context.Context, secret.Name) (*secret.Secret, error)) (*secret.Secret, error) {
	asked := name
	if b.name != nil {
		name = b.name(name)
	}
	if b.ctx != nil {
		ctx = b.ctx(ctx)
	}
	s, err := call(ctx, name)
	if err != nil {
		return nil, b.fail(err)
	}
	s.Name = asked
	if b.out != nil {
		b.out(method, s)
	}
	return s, nil
}

func (b *broken) fail(err error) error {
	if b.err != nil {
		return b.err(err)
	}
	return err
}

func (b *broken) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if b.draft != nil {
		b.draft(&d)
	}
	return b.one(ctx, "Put", name, func(ctx context.Context, name secret.Name) (*secret.Secret, error) {
		return b.Backend.Put(ctx, name, d)
	})
}

func (b *broken) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	return b.one(ctx, "Get", name, func(ctx context.Context, name secret.Name) (*secret.Secret, error) {
		return b.Backend.Get(ctx, name, sel)
	})
}

func (b *broken) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return b.one(ctx, "Describe", name, b.Backend.Describe)
}

func (b *broken) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return b.one(ctx, "Export", name, b.Backend.Export)
}

func (b *broken) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	if b.query != nil {
		b.query(&q)
	}
	p, err := b.Backend.List(ctx, q)
	if err == nil && b.page != nil {
		b.page(&p)
	}
	return p, err
}

func (b *broken) Import(ctx context.Context, s *secret.Secret, token string) (*backends.Imported, error) {
	s = s.Clone()
	if b.name != nil {
		s.Name = b.name(s.Name)
	}
	if b.source != nil {
		b.source(s)
	}
	done, err := b.Backend.Import(ctx, s, token)
	if err != nil {
		return nil, b.fail(err)
	}
	if b.imported != nil {
		b.imported(done)
	}
	return done, nil
}

func (b *broken) Capabilities() backends.Capabilities {
	c := b.Backend.Capabilities()
	if b.caps != nil {
		b.caps(&c)
	}
	return c
}

func (b *broken) Forecast(s *secret.Secret) []secret.Loss {
	if b.forecast != nil {
		return b.forecast(s)
	}
	return b.Backend.Forecast(s)
}

func (b *broken) Close() error {
	if b.close != nil {
		return b.close()
	}
	return b.Backend.Close()
}

// mutant names the case that must catch it.
type mutant struct {
	caughtBy string
	damage   func(*broken)
}

func eachVersion(f func(*secret.Version)) func(string, *secret.Secret) {
	return func(_ string, s *secret.Secret) {
		for i := range s.Versions {
			f(&s.Versions[i])
		}
	}
}

var mutants = map[string]mutant{
	"names fold": {"Names", func(b *broken) {
		b.name = func(n secret.Name) secret.Name { return secret.Name(strings.ToLower(string(n))) }
	}},
	"names are cleaned": {"Names", func(b *broken) {
		b.name = func(n secret.Name) secret.Name { return secret.Name(strings.ReplaceAll(string(n), "//", "/")) }
	}},
	"names are trimmed": {"Names", func(b *broken) {
		b.name = func(n secret.Name) secret.Name { return secret.Name(strings.TrimSpace(string(n))) }
	}},
	"bad names pass":       {"BadNames", func(b *broken) { b.name = func(n secret.Name) secret.Name { return "x" + n[:min(len(n), 1)] } }},
	"contexts are ignored": {"Cancelled", func(b *broken) { b.ctx = context.WithoutCancel }},
	"values are trimmed": {"Values", func(b *broken) {
		b.draft = func(d *secret.Draft) {
			if d.Value.Form() == secret.Text {
				d.Value = secret.TextValue(strings.TrimSuffix(string(d.Value.Reveal()), "\n"))
			}
		}
	}},
	"binary becomes text": {"Values", func(b *broken) {
		b.out = eachVersion(func(v *secret.Version) {
			if v.Value.Form() == secret.Binary {
				v.Value = secret.TextValue(string(v.Value.Reveal()))
			}
		})
	}},
	"a limit is claimed":         {"ValueLimit", func(b *broken) { b.caps = func(c *backends.Capabilities) { c.MaxValue = 1000 } }},
	"a version limit is claimed": {"ImportVersionLimit", func(b *broken) { b.caps = func(c *backends.Capabilities) { c.MaxVersions = 5 } }},
	"a version limit of writes":  {"PutVersionLimit", func(b *broken) { b.caps = func(c *backends.Capabilities) { c.MaxVersions = 1 } }},
	"empty tags of a version":    {"Tags", func(b *broken) { b.draft = func(d *secret.Draft) { d.Tags = orNil(d.Tags) } }},
	"empty tags of the secret":   {"Tags", func(b *broken) { b.source = func(s *secret.Secret) { s.Tags = orNil(s.Tags) } }},
	"tags of the secret are those of versions": {"TagsOfOthers", func(b *broken) {
		b.draft = func(d *secret.Draft) {
			if d.OfSecret != nil {
				d.Tags = d.OfSecret.Tags
			}
		}
	}},
	"tags are passed on": {"TagsChange", func(b *broken) {
		var last map[string]string
		b.draft = func(d *secret.Draft) {
			if d.Tags == nil {
				d.Tags = last
			}
			last = map[string]string{"of": "the version before"}
		}
	}},
	"a hidden value is claimed": {"Attributes", func(b *broken) { b.caps = func(c *backends.Capabilities) { c.HidesDisabled = true } }},
	"extra is dropped":          {"Attributes", func(b *broken) { b.draft = func(d *secret.Draft) { d.Extra = nil } }},
	"fractions are dropped":     {"Attributes", func(b *broken) { b.draft = func(d *secret.Draft) { d.Expires = d.Expires.Truncate(time.Second) } }},
	"attributes are not kept":   {"AttributesOfSecret", func(b *broken) { b.draft = func(d *secret.Draft) { d.OfSecret = &secret.Attributes{} } }},
	"what is new is told always": {"NewExtra", func(b *broken) {
		b.draft = func(d *secret.Draft) {
			if d.NewExtra != nil {
				d.OfSecret = &secret.Attributes{Extra: d.NewExtra}
			}
		}
	}},
	"what is new is not told": {"NewExtra", func(b *broken) { b.draft = func(d *secret.Draft) { d.NewExtra = nil } }},
	"what is merged replaces all": {"MergeExtra", func(b *broken) {
		b.draft = func(d *secret.Draft) {
			if d.MergeExtra != nil {
				d.OfSecret, d.MergeExtra = &secret.Attributes{Description: "d", Extra: history.PatchExtra(nil, d.MergeExtra)}, nil
			}
		}
	}},
	"what is merged is dropped":  {"MergeExtra", func(b *broken) { b.draft = func(d *secret.Draft) { d.MergeExtra = nil } }},
	"what is nil is not removed": {"MergeExtra", func(b *broken) { b.draft = func(d *secret.Draft) { d.MergeExtra = withoutNil(d.MergeExtra) } }},
	"errors have two kinds": {"NotFound", func(b *broken) {
		b.err = func(err error) error { return &secret.Error{Kind: secret.KindOf(err), Err: secret.Throttled} }
	}},
	"a lack of value passes": {"BadDrafts", func(b *broken) { b.draft = func(d *secret.Draft) { d.Value, d.Missing = secret.TextValue("x"), "" } }},
	"times go backwards": {"Versions", func(b *broken) {
		b.out = eachVersion(func(v *secret.Version) { v.Created = time.Unix(1e9-int64(v.Ordinal), 0) })
	}},
	"ordinals start at two":       {"Versions", func(b *broken) { b.out = eachVersion(func(v *secret.Version) { v.Ordinal++ }) }},
	"newest first":                {"Versions", func(b *broken) { b.out = func(_ string, s *secret.Secret) { reverse(s.Versions) } }},
	"a UID of the day":            {"Identity", func(b *broken) { b.out = eachVersion(func(v *secret.Version) { v.UID = secret.NewUID() }) }},
	"a UID of a draft is ignored": {"Identity", func(b *broken) { b.draft = func(d *secret.Draft) { d.UID = secret.UID{} } }},
	"current is not kept":         {"Roles", func(b *broken) { b.draft = func(d *secret.Draft) { d.KeepCurrent, d.TakePrevious = false, false } }},
	"current is found by age": {"Roles", func(b *broken) {
		b.out = func(method string, s *secret.Secret) {
			if method == "Export" {
				s.Current = s.Newest().Ordinal
			}
		}
	}},
	"previous is not taken":       {"Roles", func(b *broken) { b.draft = func(d *secret.Draft) { d.TakePrevious = false } }},
	"stages are dropped":          {"Stages", func(b *broken) { b.draft = func(d *secret.Draft) { d.Stages = nil } }},
	"a taken name is overwritten": {"OnlyIfAbsent", func(b *broken) { b.draft = func(d *secret.Draft) { d.OnlyIfAbsent = false } }},
	"creators race":               {"Creators", func(b *broken) { b.draft = func(d *secret.Draft) { d.OnlyIfAbsent = false } }},
	"errors are foreign":          {"NotFound", func(b *broken) { b.err = func(error) error { return errors.New("404") } }},
	"errors have one kind":        {"NotFound", func(b *broken) { b.err = func(err error) error { return secret.Errorf(secret.Internal, "") } }},
	"errors tell values": {"OnlyIfAbsent", func(b *broken) {
		b.err = func(error) error { return secret.Errorf(secret.AlreadyExists, "it is canary-x") }
	}},
	"errors tell the cause":      {"NotFound", func(b *broken) { b.err = tellCause }},
	"Describe has values":        {"Describe", func(b *broken) { b.out = describeValues }},
	"pages repeat the border":    {"Paging", func(b *broken) { b.query = func(q *secret.Query) { q.After = q.After[:max(0, len(q.After)-1)] } }},
	"pages end early":            {"Paging", func(b *broken) { b.page = func(p *secret.Page) { p.Next = "" } }},
	"pages are in another order": {"Paging", func(b *broken) { b.page = func(p *secret.Page) { reverse(p.Secrets) } }},
	"a list of names alone is shorter": {"NamesAlone", func(b *broken) {
		b.query, b.page = ofNamesAlone(func(p *secret.Page) { p.Secrets = p.Secrets[min(1, len(p.Secrets)):] })
	}},
	"a name alone is no longer deleted": {"NamesAlone", func(b *broken) {
		b.query, b.page = ofNamesAlone(func(p *secret.Page) {
			for _, s := range p.Secrets {
				s.Deleted = nil
			}
		})
	}},
	"forecasts change":            {"Forecast", func(b *broken) { b.forecast = onlyOnce() }},
	"forecasts use other words":   {"Forecast", func(b *broken) { b.forecast = foretell("colour") }},
	"what is held is foretold":    {"Import", func(b *broken) { b.forecast = foretell(loss.ContentType) }},
	"a state is lost":             {"Import", func(b *broken) { b.source = lose(func(v *secret.Version) { v.Disabled = false }) }},
	"a destroyed version is lost": {"Import", func(b *broken) { b.source = loseDestroyed }},
	"versions are renumbered":     {"ImportEach", func(b *broken) { b.source = renumber }},
	"a move forgets who was current": {"RolesStay", func(b *broken) {
		b.source = func(s *secret.Secret) { s.Current, s.Previous = s.Newest().Ordinal, s.Current }
	}},
	"roles are lost":               {"ImportEach", func(b *broken) { b.source = func(s *secret.Secret) { s.Previous = 0 } }},
	"what stands is wrong":         {"Import", func(b *broken) { b.imported = func(i *backends.Imported) { i.Stands = i.Stands[1:] } }},
	"imports pile up":              {"ImportExisting", func(b *broken) { b.err = func(error) error { return secret.Errorf(secret.Conflict, "") } }},
	"a hidden change after import": {"ImportThenPut", func(b *broken) { b.draft = func(d *secret.Draft) { d.KeepCurrent = true } }},
	"acknowledged and dropped":     {"Writers", func(b *broken) { b.out = sameOrdinal }},
	"Close once":                   {"Close", func(b *broken) { b.close = closeOnce() }},
}

// ofNamesAlone changes pages of names alone.
func ofNamesAlone(change func(*secret.Page)) (func(*secret.Query), func(*secret.Page)) {
	var alone atomic.Bool
	return func(q *secret.Query) { alone.Store(q.NamesAlone) }, func(p *secret.Page) {
		if alone.Load() {
			change(p)
		}
	}
}

func orNil(tags map[string]string) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	return tags
}

func withoutNil(m map[string]json.RawMessage) map[string]json.RawMessage {
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(_ string, raw json.RawMessage) bool { return raw == nil })
	return m
}

func reverse[T any](s []T) {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
}

func tellCause(err error) error {
	return &secret.Error{Kind: secret.KindOf(err), Detail: "said: vendor text", Err: errors.New("vendor text")}
}

func describeValues(method string, s *secret.Secret) {
	if method == "Describe" {
		s.Versions[0].Value = secret.TextValue("x")
	}
}

func onlyOnce() func(*secret.Secret) []secret.Loss {
	var n atomic.Int64
	return func(*secret.Secret) []secret.Loss {
		if n.Add(1) > 1 {
			return nil
		}
		return []secret.Loss{{Grade: secret.Trace, What: loss.Created, Why: "the first"}}
	}
}

func foretell(what string) func(*secret.Secret) []secret.Loss {
	return func(s *secret.Secret) []secret.Loss {
		var out []secret.Loss
		for i := range s.Versions {
			out = append(out, secret.Loss{Grade: secret.Meaning, Version: s.Versions[i].Ordinal, What: what, Why: "untrue"})
		}
		return out
	}
}

func lose(f func(*secret.Version)) func(*secret.Secret) {
	return func(s *secret.Secret) {
		for i := range s.Versions {
			f(&s.Versions[i])
		}
	}
}

func loseDestroyed(s *secret.Secret) {
	kept := s.Versions[:0]
	for _, v := range s.Versions {
		if v.Missing == "" {
			kept = append(kept, v)
		}
	}
	s.Versions = kept
}

func renumber(s *secret.Secret) {
	for i := range s.Versions {
		o := secret.Ordinal(i + 1)
		if s.Current == s.Versions[i].Ordinal {
			s.Current = o
		}
		if s.Previous == s.Versions[i].Ordinal {
			s.Previous = o
		}
		s.Versions[i].Ordinal = o
	}
}

func sameOrdinal(method string, s *secret.Secret) {
	if method == "Put" {
		s.Versions[0].Ordinal = 1
	}
}

func closeOnce() func() error {
	var n atomic.Int64
	return func() error {
		if n.Add(1) > 1 {
			return errors.New("closed twice")
		}
		return nil
	}
}

const mutantEnv = "VAULTFERRY_MUTANT"

// TestMutant is the suite run by a child of TestSuiteCatches.
func TestMutant(t *testing.T) {
	m, ok := mutants[os.Getenv(mutantEnv)]
	if !ok {
		t.Skip("only as a child of TestSuiteCatches")
	}
	backendtest.Run(t, backendtest.Harness{Open: func(*testing.T) backends.Backend {
		b := &broken{Backend: memory.New(memory.Options{})}
		m.damage(b)
		return b
	}})
}

// TestSuiteCatches: each broken store fails the case that is there for it.
func TestSuiteCatches(t *testing.T) {
	t.Parallel()
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCaught(t, "TestMutant", m.caughtBy, mutantEnv+"="+name)
		})
	}
}

// wantCaught runs the case in a child and wants it to fail.
func wantCaught(t *testing.T, test, by, env string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$/^"+by+"$")
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("--- FAIL: "+test+"/"+by)) {
		t.Errorf("%s does not catch it: %v", by, err)
	}
	if bytes.Contains(out, []byte("panic:")) {
		t.Errorf("%s panics instead of failing", by)
	}
}
