package huaweicsms

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

var (
	errBefore = errors.New("fails before it is sent")
	errAfter  = errors.New("the answer is lost")
)

// breaker fails one write: the one with this number, counted from one.
type breaker struct {
	next   http.RoundTripper
	at     atomic.Int64
	before bool
}

func (b *breaker) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || b.at.Add(-1) != 0 {
		return b.next.RoundTrip(r)
	}
	if b.before {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errBefore
	}
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		_ = resp.Body.Close()
	}
	return nil, errAfter
}

// fire lets the write with this number fail, and reports later whether it did.
func (b *breaker) fire(at int) (fired func() bool) {
	b.at.Store(int64(at))
	return func() bool { return b.at.Swap(0) <= 0 }
}

func breaking(t *testing.T, g *gatewaytest.Gateway, before bool) (*Backend, *breaker) {
	t.Helper()
	br := &breaker{before: before}
	b := open(t, g, func(c *Config) {
		c.wrap = func(next http.RoundTripper) http.RoundTripper { br.next = next; return br }
	})
	return b, br
}

// eachWrite runs f for every write that f makes, failing before and after it.
func eachWrite(t *testing.T, f func(t *testing.T, b *Backend, br *breaker, k int) (more bool)) {
	t.Helper()
	g := gatewaytest.New(t, gatewaytest.Options{})
	for _, before := range []bool{true, false} {
		b, br := breaking(t, g, before)
		k := 1
		for f(t, b, br, k) {
			if k++; k > 100 {
				t.Fatal("there is no end of writes")
			}
		}
		if k < 2 {
			t.Error("no write failed")
		}
	}
}

func nameOf(what string, br *breaker, k int) secret.Name {
	return secret.Name(fmt.Sprintf("%s-%v-%d", what, br.before, k))
}

// TestImportInterrupted: whichever write fails, and however, the import says
// what stands, nobody lists it, and the second try completes exactly.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	const versions = 11 // of the sample, that have a value
	eachWrite(t, func(t *testing.T, b *Backend, br *breaker, k int) bool {
		s := backendtest.Sample(nameOf("s", br, k))
		fired := br.fire(k)
		done, err := b.Import(t.Context(), s, "token")
		if !fired() {
			if err != nil {
				t.Error(err)
			}
			return false
		}
		switch kind := secret.KindOf(err); {
		case err == nil:
			t.Fatalf("write %d did not fail", k)
		case br.before && k == 1:
			if kind != secret.Unavailable || done != nil {
				t.Errorf("nothing was written, and the error is: %v", err)
			}
		case br.before && kind != secret.Partial, !br.before && kind != secret.Unknown:
			t.Errorf("write %d failed: %v", k, err)
		case done.Secret != nil || len(done.Stands) != min(k-1, versions):
			t.Errorf("write %d failed and %d versions are said to stand", k, len(done.Stands))
		}
		listed := isListed(t, b, s.Name)
		if listed && br.before {
			t.Errorf("after write %d half a secret is listed", k)
		}
		if k > 1 || !br.before {
			_, err := b.Import(t.Context(), s, "other")
			wantKind(t, "another import", err, secret.AlreadyExists)
		}
		_, err = b.Import(t.Context(), s, "token")
		if listed != errors.Is(err, secret.AlreadyExists) || !listed && err != nil { // listed: only the last answer was lost
			t.Errorf("the second try after write %d: %v", k, err)
		}
		got, err := b.Export(t.Context(), s.Name)
		if err != nil {
			t.Fatal(err)
		}
		backendtest.Compare(t, s, got, b.Forecast(s))
		return true
	})
}

func isListed(t *testing.T, b *Backend, name secret.Name) bool {
	t.Helper()
	page, err := b.List(t.Context(), secret.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(page.Secrets, func(s *secret.Secret) bool { return s.Name == name })
}

// full is a draft that takes as many writes as one can.
func full() secret.Draft {
	return secret.Draft{
		Value: secret.TextValue("canary-x"), Disabled: true, ContentType: "text/plain", Stages: []string{"blue"},
		Expires: time.Date(2044, 1, 2, 3, 4, 5, 6, time.UTC), Tags: map[string]string{"a": "b"},
		OfSecret: &secret.Attributes{Description: "told", Tags: map[string]string{"t": "u", "<": "&"}},
	}
}

// TestPutInterrupted: a Put that says that nothing happened has changed
// nothing; one that says more is done by a second one.
func TestPutInterrupted(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{false, true} {
		eachWrite(t, func(t *testing.T, b *Backend, br *breaker, k int) bool {
			name := nameOf(fmt.Sprint("p", there), br, k)
			if there {
				put(t, b, name, secret.Draft{Value: secret.TextValue("first")})
			}
			before, _ := b.Export(t.Context(), name)
			fired := br.fire(k)
			_, err := b.Put(t.Context(), name, full())
			if !fired() {
				if err != nil {
					t.Error(err)
				}
				return false
			}
			if err == nil {
				t.Fatalf("write %d failed, and the Put did not", k)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Error("the error holds the value")
			}
			now, _ := b.Export(t.Context(), name)
			switch kind := secret.KindOf(err); kind {
			case secret.Unavailable:
				if before == nil != (now == nil) || now != nil && len(backendtest.Differences(before, now, nil)) > 0 {
					t.Errorf("write %d failed: nothing is said to be done, and something is", k)
				}
			case secret.Partial, secret.Unknown:
				if br.before && kind == secret.Unknown {
					t.Errorf("write %d was not sent, and yet: %v", k, err)
				}
			default:
				t.Errorf("write %d failed: %v", k, err)
			}
			if now != nil { // what stands is never less disabled than was asked for
				for i := range now.Versions {
					if v := &now.Versions[i]; string(v.Value.Reveal()) == "canary-x" && !v.Disabled {
						t.Errorf("after write %d the version can be read", k)
					}
				}
			}
			got := put(t, b, name, full())
			v := got.Find(secret.Current)
			if v == nil || !v.Disabled || v.ContentType != "text/plain" || !slices.Equal(v.Stages, []string{"blue"}) ||
				!v.Expires.Equal(full().Expires) || got.Description != "told" || len(got.Tags) != 2 || got.Tags["<"] != "&" {
				t.Errorf("after write %d the second Put leaves something out", k)
			}
			return true
		})
	}
}

// TestUpdateInterrupted: half an update is said to be, and a second one makes
// it whole.
func TestUpdateInterrupted(t *testing.T) {
	t.Parallel()
	at := time.Date(2044, 1, 2, 3, 4, 5, 0, time.UTC)
	p := secret.Patch{
		ContentType: new("a/b"), Disabled: new(true), Expires: &at, Tags: &map[string]string{"a": "b"}, AddStages: []string{"red"},
		DropStages: []string{"blue"}, MakeCurrent: true, Description: new("told"), SecretTags: &map[string]string{"new": "n"},
	}
	eachWrite(t, func(t *testing.T, b *Backend, br *breaker, k int) bool {
		name := nameOf("u", br, k)
		first := secret.Draft{Value: secret.TextValue("1"), Stages: []string{"blue"}, OfSecret: &secret.Attributes{Tags: map[string]string{"old": "o"}}}
		one := put(t, b, name, first).Current
		put(t, b, name, secret.Draft{Value: secret.TextValue("2")})
		before, _ := b.Export(t.Context(), name)
		fired := br.fire(k)
		_, err := b.Update(t.Context(), name, secret.ByOrdinal(one), p)
		if !fired() {
			if err != nil {
				t.Error(err)
			}
			return false
		}
		now, _ := b.Export(t.Context(), name)
		switch kind := secret.KindOf(err); {
		case err == nil:
			t.Fatalf("write %d failed, and the update did not", k)
		case br.before && k == 1:
			if kind != secret.Unavailable || len(backendtest.Differences(before, now, nil)) > 0 {
				t.Errorf("nothing was sent, and yet: %v", err)
			}
		case br.before && kind != secret.Partial, !br.before && kind != secret.Unknown:
			t.Errorf("write %d failed: %v", k, err)
		case !now.Find(secret.ByOrdinal(one)).Disabled:
			t.Errorf("after write %d the version can be read", k)
		}
		got, err := b.Update(t.Context(), name, secret.ByOrdinal(one), p)
		if err != nil {
			t.Fatalf("the second try after write %d: %v", k, err)
		}
		v := &got.Versions[0]
		if got.Current != one || got.Previous != one+1 || !v.Disabled || v.ContentType != "a/b" || !v.Expires.Equal(at) ||
			!slices.Equal(v.Stages, []string{"red"}) || got.Description != "told" || len(got.Tags) != 1 || got.Tags["new"] != "n" {
			t.Errorf("after write %d the second update leaves something out", k)
		}
		return true
	})
}

// TestTrashInterrupted: what a deletion or a recovery says is so.
func TestTrashInterrupted(t *testing.T) {
	t.Parallel()
	eachWrite(t, func(t *testing.T, b *Backend, br *breaker, k int) bool {
		name := nameOf("d", br, k)
		put(t, b, name, secret.Draft{Value: secret.TextValue("1")})
		fired := br.fire(k)
		_, err := b.Delete(t.Context(), name, time.Now().AddDate(0, 0, 10))
		failed := fired()
		gone, trashErr := b.DescribeTrash(t.Context(), name)
		switch kind := secret.KindOf(err); {
		case err == nil:
			if trashErr != nil {
				t.Error("a deletion that succeeded is none")
			} else if window := gone.Deleted.Purge.Sub(gone.Deleted.At); k > 1 && window != 10*day {
				t.Errorf("deleted %v before it goes", window)
			}
		case br.before != (kind == secret.Unavailable), !br.before && kind != secret.Unknown, br.before != (trashErr != nil):
			t.Errorf("write %d failed: %v; in the trash: %v", k, err, trashErr)
		}
		if failed {
			return true
		}
		for what, call := range map[string]func() error{
			"recover": func() error { _, err := b.Recover(t.Context(), name); return err },
			"purge":   func() error { return b.Purge(t.Context(), name) },
		} {
			if _, err := b.Delete(t.Context(), name, time.Time{}); err != nil && !kit.Is(err, secret.NotFound) {
				t.Fatal(err)
			}
			fired := br.fire(1)
			err := call()
			if !fired() {
				t.Fatalf("no write of %s", what)
			}
			_, trashErr := b.DescribeTrash(t.Context(), name)
			if br.before {
				wantKind(t, what, err, secret.Unavailable)
			} else {
				wantKind(t, what, err, secret.Unknown)
			}
			if br.before != (trashErr == nil) {
				t.Errorf("%s: in the trash: %v", what, trashErr)
			}
			if what == "purge" {
				put(t, b, name+"-again", secret.Draft{Value: secret.TextValue("1")})
				name += "-again"
			}
		}
		return false
	})
}

func put(t *testing.T, b *Backend, name secret.Name, d secret.Draft) *secret.Secret {
	t.Helper()
	s, err := b.Put(t.Context(), name, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantKind(t *testing.T, what string, err error, kind secret.Kind) {
	t.Helper()
	if err == nil || secret.KindOf(err) != kind {
		t.Errorf("%s: %v, want %q", what, err, kind.Error())
	}
}
