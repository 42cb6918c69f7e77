package inventory

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// TestIndexOfOneHash: names that share a hash are told apart all the same.
func TestIndexOfOneHash(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w, err := NewWriter(&b, Header{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := w.Write(&Entry{Name: secret.Name(fmt.Sprint("n", i)), Current: secret.Ordinal(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(time.Now(), nil, nil); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(bytes.NewReader(b.Bytes()), nil)
	if err != nil {
		t.Fatal(err)
	}
	x, err := r.index(bytes.NewReader(b.Bytes()), func(secret.Name) uint64 { return 1 })
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if e, err := x.Find(secret.Name(fmt.Sprint("n", i))); err != nil || e == nil || e.Current != secret.Ordinal(i+1) {
			t.Errorf("n%d: %+v, %v", i, e, err)
		}
	}
	if e, err := x.Find("n5"); e != nil || err != nil {
		t.Errorf("what is not there: %+v, %v", e, err)
	}
	if twice, err := x.add("n3", x.at[1]); !twice || err != nil {
		t.Errorf("a name that is there: %v, %v", twice, err)
	}
	if twice, err := x.add("n0", x.at[1]); !twice || err != nil {
		t.Errorf("the first name again: %v, %v", twice, err)
	}
}
