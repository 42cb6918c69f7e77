package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/vaultferry/vaultferry/secret"
)

const marker = "s3cr3t-marker"

// holder has the value in an exported and an unexported field: printers that
// reflect treat the two differently.
type holder struct {
	Value  secret.Value
	hidden secret.Value
	Extra  secret.Extra
}

func newHolder() holder {
	h := holder{Value: secret.TextValue(marker), hidden: secret.TextValue(marker), Extra: secret.Extra{}.WithText("k", marker)}
	return h
}

func TestValueNeverPrints(t *testing.T) {
	t.Parallel()
	h := newHolder()
	v := secret.Version{Value: h.Value, Extra: h.Extra}
	s := &secret.Secret{Name: "n", Versions: []secret.Version{v}, Extra: h.Extra}
	d := secret.Draft{Value: h.Value, Extra: h.Extra}
	for _, x := range []any{h.Value, &h.Value, h.Extra, h, &h, v, &v, s, *s, d, []secret.Value{h.Value}, map[string]secret.Value{"k": h.Value}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%o"} {
			if out := fmt.Sprintf(verb, x); leaks(out) {
				t.Errorf("%s of %T discloses", verb, x)
			}
		}
		if out := fmt.Sprint(x); leaks(out) {
			t.Errorf("Sprint of %T discloses", x)
		}
	}
}

// leaks looks for the marker as text, hex and decimal bytes.
func leaks(out string) bool {
	dec := strings.Trim(fmt.Sprintf("%d", []byte(marker)), "[]")
	for _, form := range []string{marker, fmt.Sprintf("%x", marker), fmt.Sprintf("%X", marker), dec} {
		if strings.Contains(out, form) {
			return true
		}
	}
	return false
}

func TestValueNeverLogs(t *testing.T) {
	t.Parallel()
	h := newHolder()
	var buf bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&buf, nil), slog.NewJSONHandler(&buf, nil)} {
		slog.New(handler).Info("m", "v", h.Value, "p", &h.Value, "h", h, "e", h.Extra, slog.Any("d", secret.Draft{Value: h.Value}))
	}
	if leaks(buf.String()) {
		t.Error("slog discloses a value")
	}
}

func TestValueNeverMarshals(t *testing.T) {
	t.Parallel()
	h := newHolder()
	for _, x := range []any{h.Value, &h.Value, h.Extra, secret.Version{Value: h.Value}, secret.Secret{Extra: h.Extra}} {
		if _, err := json.Marshal(x); err == nil {
			t.Errorf("JSON of %T succeeds", x)
		}
		if err := gob.NewEncoder(&bytes.Buffer{}).Encode(x); err == nil && fmt.Sprintf("%T", x) != "secret.Extra" && fmt.Sprintf("%T", x) != "secret.Secret" {
			t.Errorf("gob of %T succeeds", x)
		}
		if out, err := yaml.Marshal(x); err == nil && leaks(string(out)) {
			t.Errorf("YAML of %T discloses", x)
		}
	}
}

func TestValueForms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		v    secret.Value
		form secret.Form
		len  int
	}{
		"none":           {secret.Value{}, secret.None, 0},
		"empty text":     {secret.TextValue(""), secret.Text, 0},
		"text":           {secret.TextValue("a\x00é"), secret.Text, 4},
		"text bytes":     {secret.TextBytes([]byte("a\x00é")), secret.Text, 4},
		"bytes, no text": {secret.TextBytes([]byte("\xff")), secret.Binary, 1},
		"not UTF-8":      {secret.TextValue("\xff"), secret.Binary, 1},
		"binary":         {secret.BinaryValue([]byte{0, 1}), secret.Binary, 2},
		"binary as text": {secret.BinaryValue([]byte("a")), secret.Binary, 1},
		"fields":         {secret.FieldsValue([]byte(`{"a":1}`)), secret.Fields, 7},
	} {
		if c.v.Form() != c.form || c.v.Len() != c.len || len(c.v.Reveal()) != c.len || c.v.IsNone() != (c.form == secret.None) {
			t.Errorf("%s: form %v, %d bytes", name, c.v.Form(), c.v.Len())
		}
	}
	if secret.TextValue("").Equal(secret.Value{}) || secret.TextValue("a").Equal(secret.BinaryValue([]byte("a"))) {
		t.Error("forms that differ are equal")
	}
}
