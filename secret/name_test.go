package secret_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/secret"
)

var (
	narrow = secret.Naming{Natural: regexp.MustCompile(`^[a-z0-9-]+$`).MatchString, Max: 127, What: "test"}
	wide   = secret.Naming{Natural: func(s string) bool { return !strings.HasPrefix(s, "/") }, What: "wide"}
)

func TestNaming(t *testing.T) {
	t.Parallel()
	for name, want := range map[secret.Name]string{
		"plain":    "plain",
		"x0-zz":    "x0-zz",    // no base32hex
		"x0-c5h66": "x0-c5h66", // would be "abc", which stands for itself
		"Foo":      "x0-8pnmu",
		"a/b":      "x0-c4nm4",
		// the escape of Foo, taken as a name
		"x0-8pnmu": "x0-f0o2qe3gdpmna",
	} {
		got, err := narrow.Encode(name)
		if err != nil || got != want {
			t.Errorf("%q became %q, want %q (%v)", name, got, want, err)
			continue
		}
		if back, err := narrow.Decode(got); err != nil || back != name {
			t.Errorf("%q became %q became %q (%v)", name, got, back, err)
		}
	}
	if _, err := narrow.Encode(secret.Name(strings.Repeat("A", 100))); !errors.Is(err, secret.Invalid) {
		t.Errorf("an escape over the limit: %v", err)
	}
	for _, bad := range []string{"", "a b", "Foo", "a/b", strings.Repeat("a", 128)} {
		if _, err := narrow.Decode(bad); !errors.Is(err, secret.Invalid) {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestNamingIsABijection(t *testing.T) {
	t.Parallel()
	names := rapid.OneOf(
		rapid.StringMatching(`(x0-)?[a-v0-9]{0,12}`),
		rapid.StringMatching(`(x0-){0,3}[A-Za-z0-9/._-]{0,8}`),
		rapid.String(),
	)
	for _, n := range []secret.Naming{narrow, wide} {
		rapid.Check(t, func(t *rapid.T) {
			a, b := secret.Name(names.Draw(t, "a")), secret.Name(names.Draw(t, "b"))
			ea, errA := n.Encode(a)
			eb, errB := n.Encode(b)
			if errA != nil || errB != nil {
				return
			}
			if (a == b) != (ea == eb) {
				t.Fatalf("%q and %q become %q and %q", a, b, ea, eb)
			}
			if back, err := n.Decode(ea); err != nil || back != a {
				t.Fatalf("%q became %q became %q (%v)", a, ea, back, err)
			}
		})
	}
}

func FuzzNaming(f *testing.F) {
	for _, s := range []string{"", "plain", "x0-", "x0-c5h66", "x0-8pnmu", "x0-f0o2qe3gdpmna", "a/../b", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := narrow.Decode(s)
		if err != nil {
			return
		}
		if back, err := narrow.Encode(name); err != nil || back != s {
			t.Fatalf("%q is %q is %q (%v)", s, name, back, err)
		}
	})
}

func TestNameRules(t *testing.T) {
	t.Parallel()
	for _, bad := range []secret.Name{"", "a\x00", "a\nb", "\x7f", "\xff", secret.Name(strings.Repeat("a", secret.MaxName+1))} {
		if err := bad.Validate(); !errors.Is(err, secret.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, good := range []secret.Name{"a", "A b", "a/b", "../a", "é", secret.Name(strings.Repeat("a", secret.MaxName))} {
		if err := good.Validate(); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

func TestBeforeAName(t *testing.T) {
	t.Parallel()
	for _, n := range []secret.Name{"a", "abc", "a/", "é", "a\u0100", "a\ue000", "a\U00010000", "a\U0010FFFF", "a b"} {
		before := n.Before()
		if before >= n || !utf8.ValidString(string(before)) {
			t.Errorf("before %q is %q", n, before)
		}
		for _, less := range []secret.Name{n[:len(n)-1], "", "A"} {
			if utf8.ValidString(string(less)) && before < less {
				t.Errorf("%q stands between %q and %q", less, before, n)
			}
		}
	}
	if b := secret.Name("abc").Before(); b <= "abbz" || b <= "abb\U0001F600z" || b <= "ab" {
		t.Errorf("%q is not directly before", b)
	}
}
