package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/migrate/report"
	"github.com/vaultferry/vaultferry/secret"
)

// TestEstateByPlans moves an old Vault by three plans: to a Key Vault, from there to
// a CSMS, and from there into a bolt store. After each move the vendors' own clients
// look at both sides. What they see is what the plan foretold and what the signed
// report counts.
func TestEstateByPlans(t *testing.T) {
	w := newKillWorld(t)
	w.stores += fmt.Sprintf("  - { name: old, backend: hashivault, hashivault: { address: %q, mount: secret, token: { file: vault.token } } }\n", w.server.Address)
	w.file(t, w.config, commonConfig+w.stores)
	from := w.server.Client(t, vaulttest.RootToken)
	fillEstate(t, from, *estateSize)
	w.fillRich(t, *estateSize/40)
	legs := []*leg{
		{w: w, from: "old", to: "keyvault-a", look: w.azureEyes(t, 0)},
		{w: w, from: "keyvault-a", to: "csms-a", look: w.csmsEyes(t, w.port, 0)},
		{w: w, from: "csms-a", to: "bolt-b"},
	}
	// A gateway spells names of CSMS as CSMS does.
	legs[2].look = func(t *testing.T, _ map[string]string) eyes { return w.boltEyes(t, legs[1].spelled) }
	seen := []eyes{vaultEyes(t, from)}
	for i, l := range legs {
		t.Run(l.from+" to "+l.to, func(t *testing.T) { seen = append(seen, l.travel(t, seen[i])) })
	}
	t.Run("changed behind it", func(t *testing.T) { legs[1].changedBehind(t, seen[1]) })
	w.findCanaries(t)
}

// leg is one of the moves.
type leg struct {
	w        *killWorld
	from, to string
	look     func(t *testing.T, spelled map[string]string) eyes
	entries  map[string]*migrate.Entry
	spelled  map[string]string // what the target's product calls what arrived
}

// travel moves what stands at the source, of which seen is the native view, and
// returns the native view of the target.
func (l *leg) travel(t *testing.T, seen eyes) eyes {
	plan := l.to + ".plan"
	fast := []string{"--rate", "100000/s"}
	code, out := l.w.ends(t, append([]string{"migrate", "plan", "--from", l.from, "--to", l.to, "--on-loss", "accept", "--output-file", plan}, fast...)...)
	if code != exitDone && code != exitFailed {
		t.Fatalf("the plan: %d, %s", code, out)
	}
	l.readPlan(t, plan)
	l.w.must(t, exitDone, append([]string{"migrate", "run", plan}, fast...)...)
	stays := code == exitFailed
	out = l.w.must(t, exitDone, append([]string{"migrate", "verify", plan}, fast...)...)
	if strings.Contains(out, "the plan leaves ") != stays {
		t.Errorf("verify does not tell what the plan left (%v): %s", stays, out)
	}
	file := l.to + ".report"
	l.w.must(t, exitDone, append([]string{"migrate", "report", plan, "--output-file", file, "--html", file + ".html"}, fast...)...)
	l.w.must(t, exitDone, "report", "verify", file, "--public-key", "public.json", plan, file+ownSource, file+ownTarget)

	l.spelled = map[string]string{}
	for name, e := range l.entries {
		if e.Action != "" {
			l.spelled[name] = string(e.To)
			if e.Spelled != "" {
				l.spelled[name] = e.Spelled
			}
		}
	}
	arrived := l.look(t, l.spelled)
	for name, what := range l.compare(seen, arrived) {
		t.Errorf("%q: %s", name, what)
	}
	l.reported(t, filepath.Join(l.w.dir, file), seen, arrived)
	return arrived
}

// changedBehind changes two secrets at the target, by its own client. Native eyes
// and the verification find these, and no others.
func (l *leg) changedBehind(t *testing.T, seen eyes) {
	c := l.w.csmsClient(t, l.w.port, 0)
	names := []string{"rich/tagged-0", "rich/typed-0"}
	if _, err := c.CreateSecretVersion(&model.CreateSecretVersionRequest{
		SecretName: l.spelled[names[0]], Body: &model.CreateSecretVersionRequestBody{SecretString: new("foreign")},
	}); err != nil {
		t.Fatal(err)
	}
	shown, err := c.ShowSecret(&model.ShowSecretRequest{SecretName: l.spelled[names[1]]})
	if err == nil {
		_, err = c.CreateSecretTag(&model.CreateSecretTagRequest{SecretId: *shown.Secret.Id, Body: &model.CreateSecretTagRequestBody{Tag: &model.TagItem{Key: "foreign", Value: new("x")}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	wrong := l.compare(seen, l.look(t, l.spelled))
	if found := slices.Sorted(maps.Keys(wrong)); !slices.Equal(found, names) {
		t.Errorf("native eyes find %q: %q", found, wrong)
	}
	code, _ := l.w.ends(t, "migrate", "verify", l.to+".plan", "--error-file", "differ.txt", "--rate", "100000/s")
	b, err := os.ReadFile(filepath.Join(l.w.dir, "differ.txt"))
	if err != nil || code != exitDifferent || string(b) != strings.Join(names, "\n")+"\n" {
		t.Errorf("verify ends with %d and finds %q, %v", code, b, err)
	}
}

func (l *leg) readPlan(t *testing.T, plan string) {
	t.Helper()
	var v struct {
		Entries []*migrate.Entry `json:"entries"`
	}
	if err := json.Unmarshal([]byte(l.w.must(t, exitDone, "migrate", "show", plan, "--offline", "--output", "json")), &v); err != nil {
		t.Fatal(err)
	}
	l.entries = map[string]*migrate.Entry{}
	for _, e := range v.Entries {
		l.entries[string(e.Name)] = e
	}
}

// compare holds what native tools see to what the plan foretold, and says of each
// secret what is otherwise.
func (l *leg) compare(seen, arrived eyes) map[string]string {
	wrong := map[string]string{}
	for name, was := range seen {
		e := l.entries[name]
		is, there := arrived[name]
		switch {
		case e == nil:
			wrong[name] = "the plan does not have it"
		case there != (e.Action != ""):
			wrong[name] = fmt.Sprintf("%s, %q, and it stands there: %v (%s)", e.Class, e.Action, there, e.Why)
		case there:
			if foretells(e, "current") { // it was written last: within one second nobody sees an order, and else another one
				is.ordered = false
				arrived[name] = is
			}
			if d := was.differences(is, e); len(d) > 0 {
				wrong[name] = fmt.Sprintf("%s; foretold was %v\n%+v\n%+v", strings.Join(d, "; "), e.Losses, was, is)
			}
		}
	}
	for name := range arrived {
		if _, there := seen[name]; !there {
			wrong[name] = "nobody sees it at " + l.from
		}
	}
	return wrong
}

// foretells reports whether the plan says that this is not kept.
func foretells(e *migrate.Entry, what string) bool {
	return slices.ContainsFunc(e.Losses, func(l migrate.Loss) bool { return l.What == what })
}

// TestOrderOfAnotherCurrent: a version that is written last because it is current is in
// another place to native eyes where the clock's second ended before it.
func TestOrderOfAnotherCurrent(t *testing.T) {
	t.Parallel()
	one, two := nativeVersion{value: "one"}, nativeVersion{value: "two"}
	was := nativeSecret{numbered: 2, versions: []nativeVersion{one, two}, ordered: true}
	is := nativeSecret{numbered: 2, versions: []nativeVersion{two, one}, ordered: true}
	e := &migrate.Entry{Action: "create", Losses: []migrate.Loss{{What: "current"}}}
	l := &leg{entries: map[string]*migrate.Entry{"s": e}}
	arrived := eyes{"s": is}
	if wrong := l.compare(eyes{"s": was}, arrived); len(wrong) > 0 || arrived["s"].ordered {
		t.Errorf("as foretold: %v, %+v", wrong, arrived)
	}
	e.Losses = nil
	if wrong := l.compare(eyes{"s": was}, eyes{"s": is}); len(wrong) != 1 {
		t.Errorf("not foretold: %v", wrong)
	}
}

// reported holds what native tools count to what the report says.
func (l *leg) reported(t *testing.T, file string, seen, arrived eyes) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	p := &r.Statement.Predicate
	standing, lost := 0, 0
	for name, is := range arrived {
		standing += len(is.versions) + is.unseen
		lost += seen[name].numbered - is.numbered
	}
	gone := 0
	for _, loss := range p.Losses {
		if loss.What == "version" {
			gone += loss.Foretold
		}
		if (loss.What == "version" || loss.What == "value") && loss.Grade != "trace" && loss.Found != loss.Foretold {
			t.Errorf("the report: %s of grade %s foretold %d times, and found %d times", loss.What, loss.Grade, loss.Foretold, loss.Found)
		}
	}
	source, empty := 0, 0
	for _, s := range seen {
		if source++; len(s.versions)+s.unseen == 0 {
			empty++
		}
	}
	for _, c := range []struct {
		what      string
		said, see int
	}{
		{"secrets of the plan", p.Plan.Secrets, source},
		{"secrets without any value", p.Plan.Classes["deleted"], empty},
		{"secrets at the source", p.Source.Secrets, source - empty},
		{"secrets at the target", p.Target.Secrets, len(arrived)},
		{"secrets moved", p.Moved.Done, len(arrived)},
		{"secrets that are the same, or differ as foretold", p.Compared.Same + p.Compared.Foretold, len(arrived)},
		{"secrets at the source alone", p.Compared.OnlySource, source - empty - len(arrived)},
		{"secrets that stay", p.Plan.Stay, source - empty - len(arrived)},
		{"versions that were written", p.Moved.Versions, standing},
		{"versions that were lost", gone, lost},
		{"secrets that differ otherwise", p.Compared.Different + p.Compared.Attributes + p.Compared.OnlyTarget + p.Compared.Unread + p.Moved.Failed + p.Moved.Skipped + p.Moved.NotTried, 0},
	} {
		if c.said != c.see {
			t.Errorf("%s: the report says %d, native tools see %d", c.what, c.said, c.see)
		}
	}
	t.Logf("%d secrets, %d versions; of %d at the source; %d versions lost; %+v %+v", len(arrived), standing, source, lost, p.Plan.Classes, p.Losses)
}

// ends runs a command to whatever end.
func (w *killWorld) ends(t *testing.T, args ...string) (int, string) {
	t.Helper()
	out, err := w.command(t.Context(), args...).CombinedOutput()
	return exitCode(err), string(out)
}

// fillRich writes n secrets of each kind that Vault alone does not know: by the
// gateway.
func (w *killWorld) fillRich(t *testing.T, n int) {
	t.Helper()
	s, call := w.service(t, "old")
	defer func() { _ = s.close() }()
	in := func(days int) time.Time { return time.Date(2031, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, days) }
	kinds := map[string][]secret.Draft{
		"expires":  {{Value: secret.TextValue("one"), Expires: in(1)}, {Value: secret.TextValue("two"), Expires: in(2), NotBefore: in(-9000)}},
		"disabled": {{Value: secret.TextValue("one"), Disabled: true}, {Value: secret.TextValue("two")}},
		"binary":   {{Value: secret.BinaryValue([]byte{0, 1, 255})}, {Value: secret.BinaryValue([]byte("\xff\xfe text"))}},
		"typed":    {{Value: secret.TextValue(`{"a":1}`), ContentType: "application/json"}, {Value: secret.TextValue("plain"), ContentType: "text/plain"}},
		"tagged":   {{Value: secret.TextValue("one"), Tags: map[string]string{"env": "prod"}}, {Value: secret.TextValue("two"), Tags: map[string]string{}}},
		"staged":   {{Value: secret.TextValue("one"), Stages: []string{"blue"}}, {Value: secret.TextValue("two"), KeepCurrent: true}},
		"long":     {{Value: secret.TextValue(strings.Repeat("long ", 6000))}}, // 30,000: more than a Key Vault takes
		"often":    slices.Repeat([]secret.Draft{{Value: secret.TextValue("again")}}, 25),
		"all": {{
			Value: secret.TextValue("canary"), ContentType: "canary/plain", Tags: map[string]string{"canary-key": "canary"}, Stages: []string{"canary-stage"}, Extra: secret.Extra{"canary": json.RawMessage(`"canary"`)},
			OfSecret: &secret.Attributes{Description: "canary of the secret", Tags: map[string]string{"canary-tag": "canary"}},
		}, {Value: secret.BinaryValue([]byte("\x00canary\xff")), Expires: in(3)}, {Value: secret.FieldsValue([]byte(`{"canary":"canary"}`))}},
		"text/of": {{Value: secret.TextValue(" {\"not\": \"fields\" } ")}, {Value: secret.TextValue("\tline\r\nline\n")}},
	}
	for kind, drafts := range kinds {
		for i := range max(n, 1) {
			for _, d := range drafts {
				if _, err := s.service.Put(t.Context(), call, gateway.Ref{Store: "old", Name: secret.Name(fmt.Sprintf("rich/%s-%d", kind, i))}, d); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
