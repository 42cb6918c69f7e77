package all_test

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/dialects/huawei"
	"github.com/vaultferry/vaultferry/internal/golden"
	"github.com/vaultferry/vaultferry/secret"
)

// side spells the model's names: a dialect's wire or a product.
type side struct {
	backends.Names
	folds bool // it ignores the case of A to Z
}

// same is what every spelling has in common that the side takes for one name.
func (s side) same(wire string) string {
	if s.folds {
		return strings.ToLower(wire)
	}
	return wire
}

// sides are both dialects and every product.
func sides() map[string]side {
	itself := backends.Names{
		Spell: func(n secret.Name) (string, error) { return string(n), n.Validate() },
		Read: func(wire string, _ secret.Name) (secret.Name, bool) {
			return secret.Name(wire), secret.Name(wire).Validate() == nil
		},
	}
	m := map[string]side{
		"memory": {Names: itself}, "bolt": {Names: itself}, "postgres": {Names: itself},
		"azure dialect":  {dialect(azure.WireName, azure.ModelName), true},
		"huawei dialect": {dialect(huawei.WireName, huawei.ModelName), false},
	}
	for as, im := range all.Profiles() {
		m[as] = side{im.Names, im.Capabilities.FoldsCase}
	}
	return m
}

func dialect(spell func(secret.Name) (string, error), read func(string) (secret.Name, error)) backends.Names {
	return backends.Names{Spell: spell, Read: func(wire string, _ secret.Name) (secret.Name, bool) {
		n, err := read(wire)
		return n, err == nil
	}}
}

// carried checks what must be true of any names that are written at one side
// and carried to another: they stay distinct, and lead back to themselves.
func carried(names []secret.Name, a, b side) error {
	taken := map[string]secret.Name{} // at b
	for _, n := range names {
		wire, err := a.Spell(n)
		if err != nil {
			if !errors.Is(err, secret.Invalid) {
				return fmt.Errorf("%q is refused as %w", n, err)
			}
			continue
		}
		there, ok := a.Read(wire, n)
		if !ok || there != n {
			return fmt.Errorf("%q is spelled %q, which is %q", n, wire, there)
		}
		if there, ok = a.Read(upper(a, wire), n); !ok || there != n {
			return fmt.Errorf("%q is spelled %q, which in another case is %q", n, wire, there)
		}
		other, err := b.Spell(there)
		if err != nil {
			continue // b refuses what it cannot spell; nothing of it is there
		}
		if n2, met := taken[b.same(other)]; met && n2 != n {
			return fmt.Errorf("%q and %q meet at %q", n, n2, other)
		}
		taken[b.same(other)] = n
		back, ok := b.Read(other, n)
		if !ok || back != n {
			return fmt.Errorf("%q is carried to %q, which is %q", n, other, back)
		}
		if again, err := a.Spell(back); err != nil || again != wire {
			return fmt.Errorf("%q left as %q and comes back as %q (%w)", n, wire, again, err)
		}
	}
	return nil
}

// upper is wire as somebody may type it who minds no case.
func upper(s side, wire string) string {
	if s.folds {
		return strings.ToUpper(wire)
	}
	return wire
}

// typed checks what must be true of anything that a client of a may ask for:
// either a has no such name, or one name alone is meant, and is spelled so.
func typed(wire string, a side) error {
	n, ok := a.Read(wire, "")
	if !ok {
		return nil
	}
	if err := n.Validate(); err != nil {
		return fmt.Errorf("%q is read as %q, which is no name", wire, n)
	}
	if back, err := a.Spell(n); err != nil || a.same(back) != a.same(wire) {
		return fmt.Errorf("%q is read as %q, which is spelled %q (%w)", wire, n, back, err)
	}
	return nil
}

// checkNames holds both properties against every ordered pair of sides.
func checkNames(sides map[string]side, names []secret.Name) error {
	for nameA, a := range sides {
		for _, n := range names {
			if err := typed(string(n), a); err != nil {
				return fmt.Errorf("%s: %w", nameA, err)
			}
		}
		for nameB, b := range sides {
			if err := carried(names, a, b); err != nil {
				return fmt.Errorf("%s to %s: %w", nameA, nameB, err)
			}
		}
	}
	return nil
}

// TestNamesOfEveryPair: the hostile names all at once, and the escapes of all.
func TestNamesOfEveryPair(t *testing.T) {
	t.Parallel()
	names := backendtest.HostileNames()
	for _, n := range slices.Clone(names) {
		names = append(names, relatives(n)...)
	}
	if err := checkNames(sides(), names); err != nil {
		t.Error(err)
	}
}

// TestNamesOfEveryPairDrawn: any names, and their relatives.
func TestNamesOfEveryPairDrawn(t *testing.T) {
	t.Parallel()
	one := rapid.OneOf(
		rapid.SampledFrom(backendtest.HostileNames()),
		rapid.Map(rapid.StringMatching(`(x0-|x1-|X0-|vaultferry-state-)?[a-v0-9]{0,60}`), toName),
		rapid.Map(rapid.StringMatching(`(x0-){0,3}[A-Za-z0-9/._-]{1,30}`), toName),
		rapid.Map(rapid.StringN(1, 60, secret.MaxName), toName),
	)
	both := sides()
	rapid.Check(t, func(t *rapid.T) {
		var names []secret.Name
		for _, n := range rapid.SliceOfN(one, 1, 2).Draw(t, "names") {
			names = append(append(names, n), relatives(n)...)
		}
		if err := checkNames(both, names); err != nil {
			t.Error(err)
		}
	})
}

func toName(s string) secret.Name { return secret.Name(s) }

// FuzzNames: no two names meet anywhere.
func FuzzNames(f *testing.F) {
	for _, n := range backendtest.HostileNames() {
		f.Add(string(n), string(relatives(n)[0]))
	}
	f.Add("\u00e9", "e\u0301")
	both := sides()
	f.Fuzz(func(t *testing.T, a, b string) {
		if err := checkNames(both, []secret.Name{secret.Name(a), secret.Name(b)}); err != nil {
			t.Error(err)
		}
	})
}

var digits = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func escaped(n secret.Name) secret.Name {
	return secret.Name("x0-" + digits.EncodeToString([]byte(n)))
}

// relatives are the names that n is most easily taken for.
func relatives(n secret.Name) []secret.Name {
	sum := sha256.Sum256([]byte(n))
	s := string(n)
	return []secret.Name{
		escaped(n), escaped(escaped(n)), secret.Name("x1-" + digits.EncodeToString(sum[:])),
		secret.Name(strings.ToUpper(s)), secret.Name(strings.ToLower(s)), secret.Name(strings.ToUpper(string(escaped(n)))),
		n + "/", "/" + n, n + "/.", n + "-", "vaultferry-state-" + n,
	}
}

const namesIntro = `# How names are spelled

Written by ` + "`make golden`" + ` out of the code that spells; a test fails where it is stale.

A secret's name in the model is case-sensitive UTF-8 of 1 to 512 bytes without control characters. Each dialect and each
product has one spelling for it, which leads back to the name and to no other: no two names ever meet, however a backup
travels. Policies, the audit and the command line say the model's name.

- What the other side can spell stands for itself.
- Anything else is ` + "`x0-`" + ` and the base32hex of its UTF-8, in lower case and without padding. A name that only looks like an
  escape stands for itself, and one that is the escape of another name is escaped once more.
- Where an escape is too long for CSMS, the product's name is ` + "`x1-`" + ` and the base32hex of the name's SHA-256, and the name
  itself stands in the description. The dialect shows no such secret: its clients could not ask for it.
- Key Vault ignores case. A client may write ` + "`FOO`" + `, ` + "`Foo`" + ` or ` + "`foo`" + ` and means the model's ` + "`foo`" + `; the spelling at the creation
  is kept aside and shown. The model's ` + "`Foo`" + `, as any other dialect can make it, is another secret.
- Names that the gateway needs for itself, such as ` + "`vaultferry-state-`" + ` and ` + "`vaultferry.meta/`" + `, are escaped like any other
  that cannot stand for itself.
- memory, bolt and postgres take the model's name as it is. hashivault-v1 is the engine KV v1, which refuses two dots in a row.

A dash is a name that this side cannot spell: it is refused before anything is written.

`

// TestNamesTable: the table in docs is what the code does.
func TestNamesTable(t *testing.T) {
	t.Parallel()
	columns := []string{"azure dialect", "huawei dialect", "azurekv", "csms", "hashivault", "hashivault-v1"}
	var b strings.Builder
	both := sides()
	b.WriteString(namesIntro)
	fmt.Fprintf(&b, "| model | %s |\n|---%s|\n", strings.Join(columns, " | "), strings.Repeat("|---", len(columns)))
	for _, n := range []secret.Name{
		"db-password", "Foo", "foo", "team/db", "a.b_c", "a b", "é", "e\u0301", "..", "a..b", "a/../b", "x0-c5h66", "x0-8pnmu",
		"vaultferry-state-a", "vaultferry.meta/a", secret.Name(strings.Repeat("n", 65)), secret.Name(strings.Repeat("N", 40)), secret.Name(strings.Repeat("N", 80)),
	} {
		fmt.Fprintf(&b, "| %s ", shown(string(n)))
		for _, c := range columns {
			wire, err := both[c].Spell(n)
			switch {
			case err != nil:
				b.WriteString("| - ")
			case wire == string(n):
				b.WriteString("| itself ")
			default:
				fmt.Fprintf(&b, "| %s ", shown(wire))
			}
		}
		b.WriteString("|\n")
	}
	golden.Compare(t, "../../docs/names.md", b.String())
}

// shown is s as a piece of code, and what a reader could not see of it.
func shown(s string) string {
	switch {
	case len(s) > 60:
		return fmt.Sprintf("`%s...%s` of %d", s[:8], s[len(s)-3:], len(s))
	case strings.Contains(s, "\u0301"):
		return "`" + s + "` of two runes"
	}
	return "`" + s + "`"
}

// TestSidesAreWhole: every imitation is a side, so is every dialect.
func TestSidesAreWhole(t *testing.T) {
	t.Parallel()
	have := slices.Sorted(maps.Keys(sides()))
	if len(have) != len(all.Profiles())+5 {
		t.Errorf("the sides are %v", have)
	}
}
