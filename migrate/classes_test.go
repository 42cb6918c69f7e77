package migrate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// TestClasses: each secret has the class that its two sides give it.
func TestClasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []secret.Name{"create", "append", "same", "changed", "conflict", "deleted", "trashed", "behind"} {
		w.put(t, "a", name, "one")
	}
	if plan, _ := w.plan(t, nil); true {
		if _, err := w.run(t, t.Context(), plan, filepath.Join(t.TempDir(), "j")); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	ref := func(store string, name secret.Name) gateway.Ref { return gateway.Ref{Store: store, Name: name} }
	must := func(_ *secret.Secret, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.Service.Delete(ctx, call(), ref("a", "deleted")))
	must(w.Service.Delete(ctx, call(), ref("b", "trashed")))
	must(w.Service.Delete(ctx, call(), ref("b", "create")))
	if err := w.Service.Purge(ctx, call(), ref("b", "create")); err != nil {
		t.Fatal(err)
	}
	w.put(t, "a", "append", "two")
	w.put(t, "a", "behind", "two")
	w.put(t, "b", "behind", "foreign")
	w.put(t, "b", "conflict", "two")
	description := "another"
	must(w.Service.Update(ctx, call(), ref("b", "changed"), secret.Current, secret.Patch{Description: &description}))
	got := w.entries(t)
	for name, want := range map[secret.Name]struct {
		class    migrate.Class
		action   migrate.Action
		versions string
		why      string
	}{
		"create":   {migrate.Create, migrate.DoCreate, "[1]", ""},
		"append":   {migrate.Append, migrate.DoAppend, "[2]", ""},
		"same":     {migrate.Same, "", "[]", ""},
		"changed":  {migrate.Changed, "", "[]", ""},
		"conflict": {migrate.Conflict, "", "[]", "the target has versions that the source does not have"},
		"behind":   {migrate.Conflict, "", "[]", "the target has versions that the source does not have"},
		"deleted":  {migrate.Deleted, "", "[]", "it lies in the source's trash until"},
		"trashed":  {migrate.Conflict, "", "[]", "the name lies in the target's trash"},
	} {
		e := got[name]
		if e == nil || e.Class != want.class || e.Action != want.action || fmt.Sprint(e.Versions) != want.versions || !strings.HasPrefix(e.Why, want.why) || want.why == "" && e.Why != "" {
			t.Errorf("%s: %+v, want %+v", name, e, want)
		}
	}
	if parts := fmt.Sprint(got["changed"].Differs); !strings.HasPrefix(parts, "[{0 description}") {
		t.Errorf("changed: %s", parts)
	}
	w.rules.OnConflict = gateway.ConflictAppend
	got = w.entries(t)
	if e := got["behind"]; e.Action != migrate.DoAppend || fmt.Sprint(e.Versions) != "[2]" || e.Foreign != 1 {
		t.Errorf("behind, to be appended: %+v", e)
	}
	if e := got["conflict"]; e.Action != "" {
		t.Errorf("conflict, with nothing to append: %+v", e)
	}
}

// TestManaged: what a certificate manages is a class of its own, whatever else is
// lost. Nothing manages the copy, and that is foretold.
func TestManaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.to = "narrow"
	managed := func(d *secret.Draft) { d.Extra = secret.Extra{"azure.managed": json.RawMessage("true")} }
	w.put(t, "a", "certificate", "hush", managed)
	w.put(t, "a", "loses", "hush", managed, func(d *secret.Draft) { d.Stages = []string{"a label of two words"} })
	w.put(t, "a", "plain", "hush")
	plan, end := w.plan(t, nil)
	got := w.entries(t)
	foretold := func(l migrate.Loss) bool { return l.What == loss.Managed && l.Grade == secret.Trace.String() }
	if e := got["certificate"]; e.Class != migrate.Managed || e.Action != migrate.DoCreate || !slices.ContainsFunc(e.Losses, foretold) {
		t.Errorf("certificate: %+v", e)
	}
	if e := got["loses"]; e.Class != migrate.Managed || e.Action != "" || e.Why == "" {
		t.Errorf("loses: %+v", e)
	}
	if e := got["plain"]; e.Class != migrate.Create {
		t.Errorf("plain: %+v", e)
	}
	if end.Classes[migrate.Managed] != 2 || end.Act != 2 || end.Stay != 1 {
		t.Errorf("%+v", end)
	}
	out, err := w.run(t, t.Context(), plan, filepath.Join(t.TempDir(), "j"))
	if err != nil || out["certificate"].Err != nil {
		t.Fatal(out["certificate"], err)
	}
	have, err := w.Service.Digest(t.Context(), call(), gateway.Ref{Store: w.to, Name: "certificate"}, w.key, gateway.DigestOptions{})
	if err != nil || have.Managed {
		t.Errorf("the copy: %+v, %v", have, err)
	}
	if v := w.verdicts(t, plan)["certificate"]; v.Sign != inventory.Same && !v.Foretold {
		t.Errorf("afterwards: %+v", v)
	}
}

// TestUnmappable: what the target cannot spell stays, and is named; what it spells
// another way says how.
func TestUnmappable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := secret.Name(strings.Repeat("long", 32))
	for _, name := range []secret.Name{"plain", "team/Db_1", long} {
		w.put(t, "a", name, "hush")
	}
	p := w.planner()
	p.To.Spell = new(azurekv.Backend).Spell // by the names alone
	got := map[secret.Name]*migrate.Entry{}
	end, err := p.Make(t.Context(), io.Discard, func(e *migrate.Entry) error { got[e.Name] = e; return nil })
	if err != nil || end.Classes[migrate.Unmappable] != 1 || end.Stay != 1 || end.Act != 2 {
		t.Fatalf("%+v, %v", end, err)
	}
	if e := got[long]; e.Class != migrate.Unmappable || e.Action != "" || e.To != "" || e.Why == "" {
		t.Errorf("the long one: %+v", e)
	}
	if e := got["team/Db_1"]; e.Class != migrate.Create || e.To != "team/Db_1" || !strings.HasPrefix(e.Spelled, "x0-") {
		t.Errorf("the spelled one: %+v", e)
	}
	if e := got["plain"]; e.Spelled != "" {
		t.Errorf("the plain one: %+v", e)
	}
}

// withEmpty is a gateway over a product with keys of which nothing can be read.
type withEmpty struct{ migrate.Service }

func (s withEmpty) List(ctx context.Context, c gateway.Call, store string, q secret.Query) (secret.Page, error) {
	page, err := s.Service.List(ctx, c, store, q)
	if store == "a" {
		page.LeftOut = []secret.LeftOut{
			{Why: secret.LeftOutEmpty, Name: "empty", Detail: "all of it is destroyed"},
			{Why: secret.LeftOutUnfinished, Name: "half", Detail: "restore it again"},
		}
	}
	return page, err
}

// TestNothingToRead: names that lists do not show, for nothing of them can be read,
// stand in the plan all the same. Half a secret is one that ought to move.
func TestNothingToRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, "a", 2)
	p := w.planner()
	p.From.Service = withEmpty{p.From.Service}
	var b bytes.Buffer
	var said []string
	end, err := p.Make(t.Context(), &b, func(e *migrate.Entry) error {
		said = append(said, fmt.Sprintf("%s %s %s", e.Name, e.Class, e.Why))
		return nil
	})
	if err != nil || end.Act != 2 || end.Stay != 1 || len(end.LeftOut) != 0 {
		t.Fatalf("%+v, %v", end, err)
	}
	want := []string{"empty deleted all of it is destroyed", "half unreadable its import is not finished: restore it again", "s00 create ", "s01 create "}
	if !slices.Equal(said, want) {
		t.Errorf("%q, want %q", said, want)
	}
}

// TestLosses: what would be lost is told with its grade, and the choice by words
// decides; what was foretold is no difference afterwards, and no second plan wants
// it again.
func TestLosses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.to = "narrow"
	w.put(t, "a", "large", strings.Repeat("x", 40_000))
	w.put(t, "a", "large", "small")
	w.put(t, "a", "huge", strings.Repeat("x", 40_000))
	w.put(t, "a", "plain", "x")
	for i := range 25 {
		w.put(t, "a", "many", fmt.Sprint("v", i))
	}
	for choice, want := range map[string]string{
		"fail":        "huge=refused/ large=loses/ many=loses/ plain=create/create",
		"version":     "huge=refused/ large=loses/create many=loses/create plain=create/create",
		"trim-oldest": "huge=refused/ large=loses/ many=loses/create plain=create/create",
	} {
		w.rules = migrate.Rules{OnConflict: gateway.ConflictFail, OnLoss: gateway.LossFail}
		switch choice {
		case "version":
			w.rules.OnLossOf = map[string]gateway.OnLoss{"version": gateway.LossAccept}
		case "trim-oldest":
			w.rules.OnLoss = gateway.LossTrim
		}
		var got []string
		all := w.entries(t)
		for _, name := range []secret.Name{"huge", "large", "many", "plain"} {
			got = append(got, fmt.Sprintf("%s=%s/%s", name, all[name].Class, all[name].Action))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s\nwant %s", choice, s, want)
		}
		if why := all["huge"].Why; !strings.HasPrefix(why, "the target can hold none of its versions: version 1 is larger than CSMS's limit") {
			t.Errorf("huge: %s", why)
		}
	}
	w.rules.OnLoss, w.rules.OnLossOf = gateway.LossFail, map[string]gateway.OnLoss{"version": gateway.LossAccept}
	plan, _ := w.plan(t, nil)
	if out, err := w.run(t, t.Context(), plan, filepath.Join(t.TempDir(), "j")); err != nil || len(out) != 3 {
		t.Fatal(out, err)
	}
	for name, v := range w.verdicts(t, plan) {
		if v.Differs() || v.Stays != (name == "huge") {
			t.Errorf("verify %s: %c, foretold %v, %v", name, v.Sign, v.Foretold, v.Parts)
		}
	}
	for name, e := range w.entries(t) {
		if e.Action != "" {
			t.Errorf("a second plan would write %s: %+v", name, e)
		}
	}
}

// TestCollisions refuse the plan.
func TestCollisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, "a", "x.y", "1")
	w.put(t, "a", "x_y", "2")
	replace, err := migrate.ParseReplacement("[._]=-")
	if err != nil {
		t.Fatal(err)
	}
	w.mapping.Replace = []migrate.Replacement{replace}
	var b bytes.Buffer
	_, err = w.planner().Make(t.Context(), &b, drain)
	if _, ok := errors.AsType[*migrate.CollisionError](err); !ok || !strings.Contains(err.Error(), `"x.y" and "x_y" become "x-y"`) {
		t.Errorf("%v", err)
	}
}

// TestTwins: names that differ in case alone are noted where nobody can tell them
// apart.
func TestTwins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []secret.Name{"One", "one", "two"} {
		w.put(t, "a", name, "x")
	}
	for _, folds := range []bool{false, true} {
		p, got := w.planner(), map[secret.Name]int{}
		p.To.FoldsCase = folds
		if _, err := p.Make(t.Context(), new(bytes.Buffer), func(e *migrate.Entry) error { got[e.Name] = len(e.Notes); return nil }); err != nil {
			t.Fatal(err)
		}
		if noted := got["One"] == 1 && got["one"] == 1; noted != folds || got["two"] != 0 {
			t.Errorf("folds %v: %v", folds, got)
		}
	}
}

// TestNamed: of names that were given, one that is not there is told.
func TestNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, "a", 3)
	w.names = []secret.Name{"s01", "absent", "s01"}
	got := w.entries(t)
	if len(got) != 2 || got["s01"].Class != migrate.Create || got["absent"].Class != migrate.Unreadable {
		t.Errorf("%+v", got)
	}
}
