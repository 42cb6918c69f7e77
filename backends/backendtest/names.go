package backendtest

import (
	"encoding/base32"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// shortName is what every product must be able to spell, however exotic; the
// escape of a longer one may not fit.
const shortName = 40

// HostileNames are names that meet in a careless product: the same but for
// case, for what a path or a URL makes of them, for the form of their Unicode,
// and names that look like the escape or the hash of another. All keep the
// rules of the model.
func HostileNames() []secret.Name {
	escape := func(s string) secret.Name {
		enc := base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)
		return secret.Name("x0-" + enc.EncodeToString([]byte(s)))
	}
	all := []secret.Name{
		"a", "A", "foo", "Foo", "FOO", "fo-o", "foo-", "-foo", "0", "007", "7", "con", "null",
		".", "..", "...", "../a", "../../a", "a/..", "a/../b", "a/.", "./a", "a.b", "a_b",
		"/", "//", "/a", "a/", "a//b", "a/b", "a/b/c", "a/b/", "a\\b", "a%2Fb", "a%2fb", "%", "%00", "a%",
		" ", "a b", " a", "a ", "a+b", "a?b", "a#b", "a;b", "a:b", "a*b", "*", "a&b", "a=b", "a,b", "a'b", `a"b`, "a<b", "a|b", "~a", "@a", "$a", "{a}",
		"ü", "u\u0308", "日本語", "😀", "İ", "ß", "ſ", "K", "\u00a0", "\u202e", "\ufeff",
		"\u00e9", "e\u0301", "\u212a", "k", "\u1e9b\u0323", "\ufb01", "fi", "\uff41", // each of two forms of Unicode
		"x1-", "x1-" + secret.Name(strings.Repeat("0", 52)), "x1-" + secret.Name(strings.Repeat("v", 51)+"0"), "X1-" + secret.Name(strings.Repeat("0", 52)),
		"x0-", "x0", "X0-", "x0-c4", "x0-C4", "x0-zz", "x0-=",
		escape("a"), escape("Foo"), escape("a/b"), escape(string(escape("Foo"))), secret.Name(strings.ToUpper(string(escape("Foo")))),
		"vaultferry", "vaultferry.v1", "vaultferry.meta", "vaultferry.meta/a", "a/vaultferry.meta/b", "vaultferry-state-", "vaultferry-state-a", "Vaultferry-state-a",
		"metadata/a", "data/a", "a/metadata/b", "versions", "a/versions", "deletedsecrets",
	}
	for _, n := range []int{shortName, 63, 64, 126, 127, 128, 254, 255, 256, 511, secret.MaxName} {
		all = append(all, secret.Name(strings.Repeat("n", n)), secret.Name(strings.Repeat("N", n)),
			secret.Name(strings.Repeat("n", n-1)+"m"), secret.Name(strings.Repeat("p/", n/2)[:n-1]+"q"), secret.Name(strings.Repeat("ü", n/2)))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func testNames(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	var held []secret.Name
	for _, name := range HostileNames() {
		_, err := b.Put(ctx, name, secret.Draft{Value: secret.TextValue(string(name)), OnlyIfAbsent: true})
		switch {
		case err == nil:
			held = append(held, name)
		case len(name) <= shortName:
			t.Errorf("Put %q: %v", name, checkErr(t, err))
		default:
			wantErr(t, "Put of a long name", err, secret.Invalid)
			_, err = b.Import(ctx, single(name, text("x")), "")
			wantErr(t, "Import of a long name", err, secret.Invalid)
			_, err = b.Get(ctx, name, secret.Current)
			wantErr(t, "Get of a long name", err, secret.Invalid, secret.NotFound)
		}
	}
	for _, name := range held {
		if string(get(ctx, t, b, name, secret.Current).Value.Reveal()) != string(name) {
			t.Errorf("%q shares its place with another name", name)
		}
	}
	if got := names(ctx, t, b, 50); !slices.Equal(got, held) {
		t.Errorf("List returns %d names, want %d; first difference: %s", len(got), len(held), firstDifference(got, held))
	}
}

func firstDifference(got, want []secret.Name) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return strings.Join([]string{string(got[i]), "instead of", string(want[i])}, " ")
		}
	}
	return "one ends first"
}

func testBadNames(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	put(ctx, t, b, "a", text("x"))
	for _, name := range []secret.Name{"", "a\x00", "\x00", "a\nb", "a\tb", "a\x7f", "a\u0085b", "\xff", "a\xc3", secret.Name(strings.Repeat("n", secret.MaxName+1))} {
		_, err := b.Put(ctx, name, text("x"))
		wantErr(t, "Put of a bad name", err, secret.Invalid)
		_, err = b.Import(ctx, single(name, text("x")), "")
		wantErr(t, "Import of a bad name", err, secret.Invalid)
		_, err = b.Get(ctx, name, secret.Current)
		_, err2 := b.Describe(ctx, name)
		_, err3 := b.Export(ctx, name)
		for _, err := range []error{err, err2, err3} {
			wantErr(t, "reading a bad name", err, secret.Invalid, secret.NotFound)
		}
	}
	if got := names(ctx, t, b, 0); !slices.Equal(got, []secret.Name{"a"}) {
		t.Errorf("the store holds %q after refusals, want one name", got)
	}
	// A bad After is a place between names, or refused; never a panic.
	if _, err := b.List(ctx, secret.Query{After: "a\xff"}); err != nil && !errors.Is(err, secret.Invalid) {
		t.Errorf("List after a bad name: %v", checkErr(t, err))
	}
}
