package sealed

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// FuzzRecord: no record makes a decoder panic, and what one accepts comes back
// the same from its own encoding.
func FuzzRecord(f *testing.F) {
	s := backendtest.Sample("s")
	h, err := history.HeadOf(s)
	if err != nil {
		f.Fatal(err)
	}
	head, err := encodeHead(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(head)
	h.Secret.Deleted = &secret.Deletion{At: time.Unix(1e9, 1), Purge: time.Unix(2e9, 0)}
	if head, err = encodeHead(h); err != nil {
		f.Fatal(err)
	}
	f.Add(head)
	for i := range s.Versions {
		b, err := encodeVersion(&s.Versions[i])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(encodeValue(s.Versions[i].Value))
	}
	for _, seed := range []string{"", "{}", "null", "[]", `{"uid":""}`, `{"last":1}{}`, `{"created":[9e18,-1]}`, `{"deleted":[-62135596800,0],"purge":[1,2]}`, "\x01\xff", "\x00", "\x09x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeHead("s", b); err == nil {
			again(t, h, encodeHead, func(b []byte) (*history.Head, error) { return decodeHead("s", b) })
		}
		if v, err := DecodeVersion(7, b); err == nil {
			again(t, v, encodeVersion, func(b []byte) (*secret.Version, error) { return DecodeVersion(7, b) })
		}
		if v, err := decodeValue(b); err == nil && !bytes.Equal(encodeValue(v), b) {
			t.Error("a value does not come back")
		}
	})
}

func again[T any](t *testing.T, in *T, enc func(*T) ([]byte, error), dec func([]byte) (*T, error)) {
	t.Helper()
	once, err := enc(in)
	if err != nil {
		t.Fatalf("what was decoded is not encoded: %v", err)
	}
	out, err := dec(once)
	if err != nil {
		t.Fatalf("what was encoded is not decoded: %v", err)
	}
	twice, err := enc(out)
	if err != nil || !bytes.Equal(once, twice) {
		t.Errorf("a record changes on its way: %v", err)
	}
}

// TestRecords: every time, map and string comes back, empty or not.
func TestRecords(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tags := rapid.OneOf(rapid.Just(map[string]string(nil)), rapid.MapOf(rapid.String(), rapid.String()))
		times := rapid.Custom(func(t *rapid.T) time.Time {
			if rapid.Bool().Draw(t, "zero") {
				return time.Time{}
			}
			return time.Unix(rapid.Int64Range(-1e11, 1e12).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).UTC()
		})
		in := &secret.Version{
			Ordinal: 3, UID: secret.NewUID(), Missing: secret.Missing(rapid.String().Draw(t, "missing")),
			ContentType: rapid.String().Draw(t, "type"), Tags: tags.Draw(t, "tags"), Disabled: rapid.Bool().Draw(t, "disabled"),
			NotBefore: times.Draw(t, "nbf"), Expires: times.Draw(t, "exp"), Created: times.Draw(t, "created"), Updated: times.Draw(t, "updated"),
		}
		b, err := encodeVersion(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := DecodeVersion(3, b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(in, out, cmp.AllowUnexported(secret.Value{})); d != "" {
			t.Error(d)
		}
	})
}

// TestAppendPlain: what appends itself is what encoding/json makes of the same.
func TestAppendPlain(t *testing.T) {
	t.Parallel()
	at := func(sec, nsec int64) *instant { return &instant{sec, nsec} }
	for _, r := range []versionJSON{
		{UID: secret.NewUID().String()},
		{UID: secret.NewUID().String(), Disabled: true, Created: at(1, 2), Updated: at(-62135596800, 999999999)},
		{UID: secret.NewUID().String(), NotBefore: at(0, 0), Expires: at(253402300799, 0), Created: at(5, 0)},
	} {
		want, err := encode(r)
		if got := r.appendPlain(nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s, want %s, %v", got, want, err)
		}
	}
}
