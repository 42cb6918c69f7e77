package inventory_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// TestIndex: each entry is found by the name that its digests are over, and a file
// that is changed after it was read is refused.
func TestIndex(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := inventory.NewWriter(&b, inventory.Header{Store: "s", RunKeyID: inventory.NewKey().ID()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 9 {
		e := &inventory.Entry{Name: secret.Name(fmt.Sprint("n", i)), Of: secret.Name(fmt.Sprint("of", 9-i)), Current: secret.Ordinal(i + 1)}
		if i == 4 {
			e.Of = ""
		}
		if i == 5 {
			e.Deleted = &inventory.Deletion{}
		}
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(begun, nil, nil); err != nil {
		t.Fatal(err)
	}
	file := b.Bytes()
	r, err := inventory.NewReader(bytes.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := r.Index(bytes.NewReader(file))
	if err != nil || x.End.Count != 9 {
		t.Fatal(err)
	}
	for of, want := range map[secret.Name]secret.Name{"of9": "n0", "n4": "n4", "of1": "n8", "of4": "", "of5": "", "n0": "", "": ""} {
		e, err := x.Find(of)
		if err != nil || (e == nil) != (want == "") || e != nil && e.Name != want {
			t.Errorf("%q: found %v, want %q: %v", of, e, want, err)
		}
	}
	at := bytes.Index(file, []byte(`"current":9`))
	file[at+len(`"current":`)] = '7'
	if _, err := x.Find("of1"); !errors.Is(err, secret.Corrupt) {
		t.Errorf("a line that was changed: %v", err)
	}
	if _, err := x.Find("of9"); err != nil {
		t.Errorf("a line that was not: %v", err)
	}
}

// TestIndexOfTwice: two entries of one secret are no inventory that can be compared.
func TestIndexOfTwice(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := inventory.NewWriter(&b, inventory.Header{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []secret.Name{"a", "b"} {
		if err := w.Write(&inventory.Entry{Name: n, Of: "of"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(begun, nil, nil); err != nil {
		t.Fatal(err)
	}
	r, err := inventory.NewReader(bytes.NewReader(b.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Index(bytes.NewReader(b.Bytes())); !errors.Is(err, secret.Corrupt) || !strings.Contains(err.Error(), "line 3 is of the same secret") {
		t.Errorf("got %v", err)
	}
}
