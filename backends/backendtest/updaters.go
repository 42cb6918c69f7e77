package backendtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// updatePatiently tries again after Conflict and Throttled, which promise that
// nothing was changed.
func updatePatiently(ctx context.Context, u backends.Backend, name secret.Name, sel secret.Selector, p secret.Patch) error {
	for {
		_, err := u.Update(ctx, name, sel, p)
		if !errors.Is(err, secret.Conflict) && !errors.Is(err, secret.Throttled) {
			return err
		}
	}
}

// testUpdaters: updates of different members at once all take effect, while
// others add versions.
func testUpdaters(t *testing.T, h Harness) {
	ctx, b, u := beginUpdate(t, h)
	src := bare("s", 1, 2, 3, 4)
	mustImport(ctx, t, b, src, "")
	want := loss.Apply(src, b.Forecast(src))
	steps := slices.DeleteFunc(disjointSteps(), func(s updateStep) bool { return want.Find(s.sel) == nil })
	steps = steps[:min(len(steps), h.Writers)]
	puts := 2
	if !room(b, len(want.Versions)+puts) { // they would take the place of what is updated
		puts = 0
	}
	next := want
	for _, s := range steps {
		next = patched(next, s.sel, s.p)
	}
	refused := make([]bool, len(steps))
	together(len(steps)+puts, func(i int) {
		if i >= len(steps) {
			if _, err := putPatiently(ctx, b, "s", text(fmt.Sprint(canary, i))); err != nil {
				t.Errorf("Put while others update: %v", checkErr(t, err))
			}
			return
		}
		s := steps[i]
		err := updatePatiently(ctx, u, "s", s.sel, s.p)
		if refused[i] = errors.Is(err, secret.Lossy) && mayRefuse(b, s.p, next); err != nil && !refused[i] {
			t.Errorf("%s, with others: %v", s.what, checkErr(t, err))
		}
	})
	touched := map[secret.Ordinal]bool{}
	for i, s := range steps {
		if !refused[i] {
			want, touched[s.sel.Ordinal] = patched(want, s.sel, s.p), true
		}
	}
	got := export(ctx, t, b, "s")
	if n := len(got.Versions); n != len(want.Versions)+puts {
		t.Fatalf("%d versions, want %d", n, len(want.Versions)+puts)
	}
	for i := range want.Versions {
		w, g := &want.Versions[i], &got.Versions[i]
		if touched[w.Ordinal] {
			checkMoved(t, "version "+w.Ordinal.String(), w.Updated, g.Updated)
			w.Updated = g.Updated
		}
	}
	want.Versions = append(want.Versions, got.Versions[len(want.Versions):]...)
	want.Updated, want.Current, want.Previous = got.Updated, got.Current, got.Previous
	compareAs(t, "after updates at once", want, got)
}

// disjointSteps are 32 updates of 32 members of the versions 1 to 4 and their
// secret.
func disjointSteps() []updateStep {
	var out []updateStep
	for o := secret.Ordinal(1); o <= 4; o++ {
		at := time.Date(2030+int(o), 1, 2, 3, 4, 5, 0, time.UTC)
		for what, p := range map[string]secret.Patch{
			"content type": {ContentType: ptr("a/" + o.String())},
			"disabled":     {Disabled: ptr(true)},
			"not before":   {NotBefore: &at},
			"expires":      {Expires: ptr(at.Add(time.Hour))},
			"tags":         {Tags: &map[string]string{"n": o.String()}},
			"stages":       {AddStages: []string{"stage" + o.String()}},
		} {
			out = append(out, updateStep{what + " of " + o.String(), secret.ByOrdinal(o), p})
		}
	}
	one := secret.ByOrdinal(1)
	out = append(out,
		updateStep{"description", one, secret.Patch{Description: ptr("together")}},
		updateStep{"tags of the secret", one, secret.Patch{SecretTags: &map[string]string{"a": "b"}}})
	for _, k := range []string{"azure.a", "azure.b", "azure.c", "azure.d", "azure.e", "azure.f"} {
		out = append(out, updateStep{"extra " + k, one, secret.Patch{Extra: map[string]json.RawMessage{k: json.RawMessage(`"` + k + `"`)}}})
	}
	return out
}
