package report_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate/report"
	"github.com/vaultferry/vaultferry/secret"
)

// secretOf has the canary in each of its fields.
func secretOf(name secret.Name, canary string) *secret.Secret {
	return &secret.Secret{
		Name: name, Description: canary + "-description", Tags: map[string]string{canary + "-key": canary + "-tag"}, Current: 2, Previous: 1,
		Versions: []secret.Version{
			{Ordinal: 1, Value: secret.TextValue(canary + "-text"), ContentType: canary + "-type", Tags: map[string]string{"env": canary + "-version"}},
			{Ordinal: 2, Value: secret.FieldsValue([]byte(`{"` + canary + `-member":"` + canary + `-field"}`)), Stages: []string{canary + "-stage"}, Expires: day},
		},
	}
}

// TestNoValue: a report of real inventories holds nothing of a value, of an
// attribute, of a name, and none of their digests; nor does its page.
func TestNoValue(t *testing.T) {
	t.Parallel()
	ed := keyring(t, edRing)
	k := inventory.NewKey()
	var forbidden []string
	store := func(name string) report.Store {
		var file bytes.Buffer
		w, err := inventory.NewWriter(&file, inventory.Header{Gateway: "g", Store: name, Product: "bolt", Begun: day, RunKeyID: k.ID()})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*secret.Secret{secretOf("name-a", "canary"), secretOf("name-b", "canary")} {
			e := k.EntryOf(s, "", day)
			forbidden = append(forbidden, digestsOf(&e)...)
			if err := w.Write(&e); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Close(day.Add(time.Minute), nil, func(b []byte) (string, error) { return ed.Sign(inventory.Type, b) }); err != nil {
			t.Fatal(err)
		}
		r, err := inventory.NewReader(&file, nil)
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		return report.StoreOf("/folder/"+name+".inventory", r)
	}
	m := facts()
	m.RunKeyID, m.Source, m.Target = k.ID(), store("old"), store("new")
	if m.Source.Secrets != 2 || m.Source.File != "old.inventory" || m.Source.Root == m.Target.Root {
		t.Fatalf("%+v", m.Source)
	}
	r, err := report.Sign(statement(t, m), ed)
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := r.HTML(&page, &report.Details{}); err != nil {
		t.Fatal(err)
	}
	payload := payloadOf(t, encode(t, r))
	if !strings.Contains(payload, m.Source.Root) || len(forbidden) < 20 {
		t.Fatalf("nothing is looked for: %d in %s", len(forbidden), payload)
	}
	for _, word := range append(forbidden, "canary", "name-a", string(k.Reveal())) {
		if strings.Contains(payload, word) || strings.Contains(page.String(), word) {
			t.Errorf("it holds %q", word)
		}
	}
}

func digestsOf(e *inventory.Entry) (all []string) {
	of := func(a inventory.Attributes) {
		for _, digests := range a {
			for _, d := range digests {
				all = append(all, string(d))
			}
		}
	}
	of(e.Attributes)
	for i := range e.Versions {
		all = append(all, string(e.Versions[i].Value))
		of(e.Versions[i].Attributes)
	}
	return all
}
