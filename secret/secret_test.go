package secret_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// TestCause: an error that stands behind another brings no second kind along.
func TestCause(t *testing.T) {
	t.Parallel()
	timeout := errors.New("timeout")
	inner := &secret.Error{Kind: secret.Throttled, Err: fmt.Errorf("read: %w", &secret.Error{Kind: secret.Unavailable, Err: timeout})}
	outer := &secret.Error{Kind: secret.Partial, Err: secret.Cause(inner)}
	if errors.Is(outer, secret.Throttled) || errors.Is(outer, secret.Unavailable) || !errors.Is(outer, timeout) {
		t.Errorf("the error is of more than one kind, or lost its cause: %v", outer)
	}
	if got := secret.Cause(secret.Errorf(secret.Conflict, "busy")); errors.Is(got, secret.Conflict) || got.Error() != "conflict: busy" {
		t.Errorf("without a cause: %v", got)
	}
}

func TestUID(t *testing.T) {
	t.Parallel()
	u := secret.NewUID()
	if back, ok := secret.ParseUID(u.String()); !ok || back != u || u.IsZero() {
		t.Errorf("%s does not come back", u)
	}
	for _, bad := range []string{"", "0", "ABCDEF0123456789abcdef0123456789", "zz000000000000000000000000000000", u.String() + "0"} {
		if _, ok := secret.ParseUID(bad); ok {
			t.Errorf("%q is accepted", bad)
		}
	}
	now := time.Unix(1, 2)
	a := secret.DeriveUID("s", "p", "1", now)
	if a != secret.DeriveUID("s", "p", "1", now.UTC()) {
		t.Error("the same version has two UIDs")
	}
	for _, b := range []secret.UID{
		secret.DeriveUID("sp", "", "1", now), secret.DeriveUID("s", "p1", "", now),
		secret.DeriveUID("s", "p", "2", now), secret.DeriveUID("s", "p", "1", now.Add(1)),
	} {
		if a == b {
			t.Error("two versions have one UID")
		}
	}
}

func TestFindAndRoles(t *testing.T) {
	t.Parallel()
	u := secret.NewUID()
	s := &secret.Secret{Current: 3, Versions: []secret.Version{{Ordinal: 1}, {Ordinal: 3, UID: u}, {Ordinal: 7}}}
	for sel, want := range map[secret.Selector]secret.Ordinal{
		secret.Current: 3, secret.ByOrdinal(7): 7, secret.ByUID(u): 3,
	} {
		if v := s.Find(sel); v == nil || v.Ordinal != want {
			t.Errorf("%s: %v", sel, v)
		}
	}
	for _, sel := range []secret.Selector{secret.ByOrdinal(2), secret.ByUID(secret.NewUID())} {
		if v := s.Find(sel); v != nil {
			t.Errorf("%s finds %d", sel, v.Ordinal)
		}
	}
	if v := (&secret.Secret{Versions: s.Versions}).Find(secret.Current); v != nil {
		t.Error("a secret without a current version has one")
	}
}

func TestCloneSharesNoMap(t *testing.T) {
	t.Parallel()
	s := &secret.Secret{
		Tags: map[string]string{"a": "1"}, Extra: secret.Extra{}.WithText("k", "1"),
		Versions: []secret.Version{{Ordinal: 1, Tags: map[string]string{"a": "1"}, Stages: []string{"x"}, Extra: secret.Extra{}.WithText("k", "1")}},
	}
	c := s.Clone()
	c.Tags["a"], c.Versions[0].Tags["a"], c.Versions[0].Stages[0] = "2", "2", "y"
	c.Extra["k"][1], c.Versions[0].Ordinal = '9', 2
	if s.Tags["a"] != "1" || s.Versions[0].Tags["a"] != "1" || s.Versions[0].Stages[0] != "x" || s.Versions[0].Ordinal != 1 {
		t.Error("a change of the clone changes the original")
	}
	if got := s.WithoutValues(); got.Size() != 0 {
		t.Error("a value is left")
	}
}

func TestErrorsMatchKindAndCause(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("outer: %w", &secret.Error{Kind: secret.Throttled, Detail: "later", Err: io.ErrUnexpectedEOF})
	if !errors.Is(err, secret.Throttled) || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, secret.Denied) {
		t.Error("the error does not match what it is")
	}
	if secret.KindOf(err) != secret.Throttled || secret.DetailOf(err) != "later" {
		t.Error("kind or detail is lost")
	}
	if secret.KindOf(io.EOF) != secret.Internal || secret.KindOf(secret.Denied) != secret.Denied || secret.DetailOf(io.EOF) != "" {
		t.Error("what is no Error is taken for one")
	}
	seen := map[string]bool{}
	for _, k := range secret.Kinds() {
		if k.Error() == "" || seen[k.Error()] {
			t.Errorf("kind %d has no name of its own", k)
		}
		seen[k.Error()] = true
	}
}

func TestLosses(t *testing.T) {
	t.Parallel()
	s := &secret.Secret{Versions: []secret.Version{
		{Ordinal: 1, Missing: secret.Destroyed}, {Ordinal: 2, Missing: secret.Deleted}, {Ordinal: 3, Missing: secret.Unreadable}, {Ordinal: 4},
	}}
	losses := secret.ExportLosses(s)
	if len(losses) != 2 || losses[0].Version != 2 || losses[1].Version != 3 || secret.Worst(losses) != secret.Data {
		t.Errorf("losses of an export: %v", losses)
	}
	late := &secret.Secret{Versions: []secret.Version{{Ordinal: 7, Expires: secret.AtSecond(1_569_456_000_000), NotBefore: secret.AtSecond(secret.MaxSecond)}}}
	if losses := secret.ExportLosses(late); len(losses) != 1 || losses[0].Grade != secret.Trace || losses[0].Sentence() != "the expiry of version 7 is after the year 9999, and kept as the end of that year" {
		t.Errorf("losses of an expiry in milliseconds: %v", losses)
	}
	if secret.Worst(nil) != 0 || secret.Trace >= secret.Meaning || secret.Meaning >= secret.Data {
		t.Error("grades are out of order")
	}
}
