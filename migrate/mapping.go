package migrate

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// Mapping gives a secret of the source its name at the target. The zero Mapping
// leaves names as they are.
type Mapping struct {
	// Rename gives single names another. Nothing else is done to these.
	Rename map[secret.Name]secret.Name
	// StripPrefix is taken away first, where a name has it; then Replace; then
	// AddPrefix is put before.
	StripPrefix, AddPrefix string
	Replace                []Replacement
}

// Replacement puts With in the place of what Pattern matches.
type Replacement struct {
	Pattern *regexp.Regexp
	With    string
}

// ParseReplacement reads PATTERN=TEXT.
func ParseReplacement(s string) (Replacement, error) {
	i := strings.LastIndexByte(s, '=')
	if i < 1 {
		return Replacement{}, fmt.Errorf("want PATTERN=TEXT, not %q", s)
	}
	p, err := regexp.Compile(s[:i])
	if err != nil {
		return Replacement{}, fmt.Errorf("%q is no regular expression: %w", s[:i], errors.Unwrap(err))
	}
	return Replacement{p, s[i+1:]}, nil
}

// To is the name at the target. Kind: Invalid.
func (m *Mapping) To(name secret.Name) (secret.Name, error) {
	if to, ok := m.Rename[name]; ok {
		return to, to.Validate()
	}
	s := strings.TrimPrefix(string(name), m.StripPrefix)
	for _, r := range m.Replace {
		s = r.Pattern.ReplaceAllLiteralString(s, r.With)
	}
	to := secret.Name(m.AddPrefix + s)
	return to, to.Validate()
}

// Collision is one name at the target for several secrets of the source.
type Collision struct {
	To    secret.Name
	Names []secret.Name
}

// CollisionError refuses a plan.
type CollisionError struct{ Collisions []Collision }

// Error names the first few.
func (e *CollisionError) Error() string {
	const shown = 10
	var said []string
	for _, c := range e.Collisions[:min(shown, len(e.Collisions))] {
		var names []string
		for _, n := range c.Names {
			names = append(names, fmt.Sprintf("%q", string(n)))
		}
		said = append(said, fmt.Sprintf("%s become %q", strings.Join(names, " and "), string(c.To)))
	}
	more := ""
	if n := len(e.Collisions) - shown; n > 0 {
		more = fmt.Sprintf("; and %d more", n)
	}
	return "names collide at the target: " + strings.Join(said, "; ") + more
}

// targets maps names and refuses collisions.
func (m *Mapping) targets(names []secret.Name) error {
	taken := make(map[secret.Name]secret.Name, len(names))
	collide := map[secret.Name][]secret.Name{}
	for _, name := range names {
		to, err := m.To(name)
		if err != nil {
			continue // it is unmappable, and says so
		}
		first, twice := taken[to]
		switch {
		case !twice:
			taken[to] = name
			continue
		case collide[to] == nil:
			collide[to] = []secret.Name{first}
		}
		collide[to] = append(collide[to], name)
	}
	if len(collide) == 0 {
		return nil
	}
	e := new(CollisionError)
	for to, names := range collide {
		e.Collisions = append(e.Collisions, Collision{to, names})
	}
	slices.SortFunc(e.Collisions, func(a, b Collision) int { return strings.Compare(string(a.To), string(b.To)) })
	return e
}

// twins are the names at the target that differ in case alone, by their folded form.
func (m *Mapping) twins(names []secret.Name) map[string][]secret.Name {
	all := make(map[string][]secret.Name, len(names))
	for _, name := range names {
		if to, err := m.To(name); err == nil {
			folded := strings.ToLower(string(to))
			all[folded] = append(all[folded], to)
		}
	}
	maps.DeleteFunc(all, func(_ string, names []secret.Name) bool { return len(names) == 1 })
	return all
}
