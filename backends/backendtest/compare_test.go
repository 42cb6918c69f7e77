package backendtest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// TestDifferences: every attribute that may differ is seen, and said without a
// value.
func TestDifferences(t *testing.T) {
	t.Parallel()
	v := func(s *secret.Secret) *secret.Version { return s.Find(secret.ByOrdinal(11)) }
	for what, change := range map[string]func(*secret.Secret){
		"name":                   func(s *secret.Secret) { s.Name = "other" },
		"description":            func(s *secret.Secret) { s.Description = "" },
		"tags of the secret":     func(s *secret.Secret) { s.Tags["new"] = "canary-tag" },
		"created of the secret":  func(s *secret.Secret) { s.Created = s.Created.Add(1) },
		"updated of the secret":  func(s *secret.Secret) { s.Updated = time.Time{} },
		"current":                func(s *secret.Secret) { s.Current = 13 },
		"previous":               func(s *secret.Secret) { s.Previous = 0 },
		"extra of the secret":    func(s *secret.Secret) { s.Extra["sample.secret"] = json.RawMessage(`{"depth":1}`) },
		"whether it is deleted":  func(s *secret.Secret) { s.Deleted = &secret.Deletion{} },
		"the versions are":       func(s *secret.Secret) { s.Versions = s.Versions[1:] },
		"uid of version 11":      func(s *secret.Secret) { v(s).UID = secret.UID{1} },
		"value of version 11":    func(s *secret.Secret) { v(s).Value = secret.TextValue("canary-previouS") },
		"bytes, want text":       func(s *secret.Secret) { v(s).Value = secret.BinaryValue([]byte("canary-previous")) },
		"missing of version 11":  func(s *secret.Secret) { v(s).Missing = secret.Deleted },
		"disabled of version 11": func(s *secret.Secret) { v(s).Disabled = true },
		"content type of":        func(s *secret.Secret) { v(s).ContentType = "x" },
		"tags of version 11":     func(s *secret.Secret) { v(s).Tags = nil },
		"tags of version 1":      func(s *secret.Secret) { s.Versions[0].Tags = map[string]string{} }, // it is without
		"stages of version 11":   func(s *secret.Secret) { v(s).Stages = []string{"x"} },
		"not before of version":  func(s *secret.Secret) { v(s).NotBefore = time.Time{} },
		"expires of version 11":  func(s *secret.Secret) { v(s).Expires = v(s).Expires.Add(time.Second) },
		"created of version 11":  func(s *secret.Secret) { v(s).Created = v(s).Created.Add(1) },
		"updated of version 11":  func(s *secret.Secret) { v(s).Updated = v(s).Updated.Add(1) },
		"extra of version 11":    func(s *secret.Secret) { v(s).Extra = secret.Extra{"a": json.RawMessage(`1`)} },
	} {
		got := backendtest.Sample("s")
		change(got)
		said := strings.Join(backendtest.Differences(backendtest.Sample("s"), got, nil), "\n")
		if !strings.Contains(said, what) {
			t.Errorf("%s: not seen; said %q", what, said)
		}
		if strings.Contains(said, "canary") {
			t.Errorf("%s: a value is said", what)
		}
	}
	if backendtest.Differences(backendtest.Sample("s"), nil, nil) == nil {
		t.Error("no secret at all is no difference")
	}
}

// TestSameness: what Compare calls the same, and no more.
func TestSameness(t *testing.T) {
	t.Parallel()
	got := backendtest.Sample("s")
	for i := range got.Versions {
		v := &got.Versions[i]
		v.Created = v.Created.In(time.FixedZone("far", 7*3600))
		if v.Disabled {
			v.Value, v.Missing = secret.Value{}, secret.Unreadable
		}
	}
	got.Extra["sample.secret"] = json.RawMessage(`{ "depth": {"list": [1, "two", null]} }`)
	backendtest.Compare(t, backendtest.Sample("s"), got, nil)
	hidden := got.Find(secret.ByOrdinal(1))
	hidden.Value, hidden.Missing = secret.Value{}, secret.Unreadable
	if len(backendtest.Differences(backendtest.Sample("s"), got, nil)) == 0 {
		t.Error("an enabled version whose value is not shown passes")
	}
}

// TestDeletionDiffers: two that are deleted differ in when.
func TestDeletionDiffers(t *testing.T) {
	t.Parallel()
	at := time.Unix(1e9, 0)
	deleted := func(d secret.Deletion) *secret.Secret {
		s := backendtest.Sample("s")
		s.Deleted = &d
		return s
	}
	want := deleted(secret.Deletion{At: at, Purge: at.Add(1)})
	backendtest.Compare(t, want, deleted(*want.Deleted), nil)
	for what, d := range map[string]secret.Deletion{
		"the time of its deletion": {At: at.Add(1), Purge: at.Add(1)},
		"the time of its purge":    {At: at, Purge: at},
	} {
		if said := backendtest.Differences(want, deleted(d), nil); len(said) != 1 || !strings.HasPrefix(said[0], what) {
			t.Errorf("%s: %q", what, said)
		}
	}
	if len(backendtest.Differences(want, backendtest.Sample("s"), nil)) != 1 {
		t.Error("what is live passes for deleted")
	}
}

// TestSample: the sample keeps the rules of the model and uses all of it.
func TestSample(t *testing.T) {
	t.Parallel()
	s := backendtest.Sample("s")
	if _, err := history.HeadOf(s); err != nil {
		t.Fatal(err)
	}
	if len(s.Versions) != 12 {
		t.Errorf("%d versions", len(s.Versions))
	}
	backendtest.Compare(t, s, backendtest.Sample("s"), nil)
	forms := map[string]int{}
	longest := 0
	for i := range s.Versions {
		forms[s.Versions[i].Value.Form().String()]++
		longest = max(longest, s.Versions[i].Value.Len())
	}
	if len(forms) != 4 || longest != 25600 {
		t.Errorf("forms %v, longest value %d bytes", forms, longest)
	}
	if out := fmt.Sprintf("%v %+v", s.Versions, s.Extra); strings.Contains(out, "canary") {
		t.Error("the sample prints a value")
	}
}
