package bolt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/secret"
)

// TestSameAsMemory: whatever is done to both, bolt and memory answer alike.
func TestSameAsMemory(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func() time.Time { return now }
	b, err := bolt.Open(t.Context(), backends.Env{Store: "s", Keys: keyring(t), Now: clock}, &bolt.Config{Path: filepath.Join(t.TempDir(), "s.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	m := memory.New(memory.Options{Now: clock})
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		names := []secret.Name{secret.Name(fmt.Sprintf("%d-a", run)), secret.Name(fmt.Sprintf("%d-a/b", run))}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(-1500, 1500).Draw(t, "microseconds")) * time.Microsecond)
			what, do := step(t, rapid.SampledFrom(names).Draw(t, "name"))
			want, wantErr := do(m)
			got, gotErr := do(store(t, b))
			if (wantErr == nil) != (gotErr == nil) || wantErr != nil && secret.KindOf(wantErr) != secret.KindOf(gotErr) {
				t.Fatalf("%s: bolt says %v, memory %v", what, gotErr, wantErr)
			}
			same(t, what, want, got)
			for _, name := range names {
				stateOf(t, name, m, store(t, b))
			}
		}
	})
}

type operation func(backends.Backend) (*secret.Secret, error)

func step(t *rapid.T, name secret.Name) (string, operation) {
	ctx := context.Background()
	sel := rapid.SampledFrom([]secret.Selector{secret.Current, secret.ByOrdinal(1), secret.ByOrdinal(2), secret.ByOrdinal(3)}).Draw(t, "version")
	purge := time.Unix(rapid.Int64Range(0, 1<<40).Draw(t, "purge"), 5)
	switch what := rapid.SampledFrom([]string{"put", "put", "put", "update", "update", "delete", "recover", "purge", "import", "get"}).Draw(t, "operation"); what {
	case "put":
		d := drawDraft(t)
		return what, func(b backends.Backend) (*secret.Secret, error) { return b.Put(ctx, name, d) }
	case "update":
		p := drawPatch(t)
		return what, func(b backends.Backend) (*secret.Secret, error) { return b.Update(ctx, name, sel, p) }
	case "delete":
		return what, func(b backends.Backend) (*secret.Secret, error) { return b.Delete(ctx, name, purge) }
	case "recover":
		return what, func(b backends.Backend) (*secret.Secret, error) { return b.Recover(ctx, name) }
	case "purge":
		return what, func(b backends.Backend) (*secret.Secret, error) { return nil, b.Purge(ctx, name) }
	case "import":
		return what, func(b backends.Backend) (*secret.Secret, error) {
			done, err := b.Import(ctx, backendtest.Sample(name), "")
			if err != nil {
				return nil, err
			}
			return done.Secret, nil
		}
	default:
		return what, func(b backends.Backend) (*secret.Secret, error) { return b.Get(ctx, name, sel) }
	}
}

var labels = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z", "blue"}), 0, 2, rapid.ID[string])

func drawDraft(t *rapid.T) secret.Draft {
	keep := rapid.Bool().Draw(t, "keep")
	return secret.Draft{
		Value: secret.TextValue(rapid.String().Draw(t, "value")), UID: secret.NewUID(), Disabled: rapid.Bool().Draw(t, "disabled"),
		Stages: labels.Draw(t, "stages"), KeepCurrent: keep, TakePrevious: keep && rapid.Bool().Draw(t, "take"),
		OnlyIfAbsent: rapid.Bool().Draw(t, "absent"), MergeExtra: members.Draw(t, "merge"),
	}
}

var members = rapid.SampledFrom([]map[string]json.RawMessage{nil, {"sample.secret": nil}, {"sample.secret": json.RawMessage(`1`), "test.a": json.RawMessage(`"x"`)}})

func drawPatch(t *rapid.T) secret.Patch {
	p := secret.Patch{
		AddStages: labels.Draw(t, "add"), DropStages: labels.Draw(t, "drop"),
		MakeCurrent: rapid.Bool().Draw(t, "current"), MakePrevious: rapid.Bool().Draw(t, "previous"),
	}
	if rapid.Bool().Draw(t, "attributes") {
		at := time.Unix(rapid.Int64Range(1, 1<<40).Draw(t, "expires"), 7).UTC()
		text, off, tags := rapid.String().Draw(t, "text"), rapid.Bool().Draw(t, "off"), map[string]string{"k": "v"}
		p.ContentType, p.Disabled, p.Expires, p.Tags, p.Description, p.SecretTags = &text, &off, &at, &tags, &text, &tags
		p.Extra = map[string]json.RawMessage{"sample.secret": nil, "test.a": json.RawMessage(`{"b":1}`)}
	}
	return p
}

func stateOf(t *rapid.T, name secret.Name, m, b backends.Backend) {
	ctx := context.Background()
	part := drawPart(t)
	for what, do := range map[string]operation{
		"DescribePart": func(e backends.Backend) (*secret.Secret, error) {
			return e.(backends.VersionPager).DescribePart(ctx, name, part)
		},
		"Export":        func(e backends.Backend) (*secret.Secret, error) { return e.Export(ctx, name) },
		"DescribeTrash": func(e backends.Backend) (*secret.Secret, error) { return e.DescribeTrash(ctx, name) },
	} {
		want, wantErr := do(m)
		got, gotErr := do(b)
		if (wantErr == nil) != (gotErr == nil) {
			t.Fatalf("%s: bolt says %v, memory %v", what, gotErr, wantErr)
		}
		same(t, what, want, got)
	}
}

func drawPart(t *rapid.T) secret.Part {
	after := secret.ByOrdinal(secret.Ordinal(rapid.IntRange(-1, 15).Draw(t, "after")))
	after.UID[0] = rapid.Byte().Draw(t, "after UID")
	return secret.Part{
		InTrash: rapid.Bool().Draw(t, "in trash"), ByUID: rapid.Bool().Draw(t, "by UID"), After: after, Limit: rapid.IntRange(0, 5).Draw(t, "limit"),
	}
}

func same(t *rapid.T, what string, want, got *secret.Secret) {
	if want == nil || got == nil {
		if want != got {
			t.Fatalf("%s: one of two answers is there", what)
		}
		return
	}
	for _, d := range backendtest.Differences(want, got, nil) {
		t.Errorf("%s: %s", what, d)
	}
}
