package access

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/secret"
)

// Reach is where in a store's order of names those are that a caller may act on,
// so that a list need not read the others.
type Reach struct {
	All      bool     // every name is one of them
	anywhere bool     // names may begin with anything, though not every name counts
	prefixes []string // else each begins with one of these
	folders  []string // that hold what begins so
}

// Reach returns where the names are on which c may do a. The name of t does not
// count.
func (p *Policy) Reach(c Caller, a Action, t Target) Reach {
	if p.free(c) {
		return Reach{All: true}
	}
	var out Reach
	folders := map[string]bool{}
	s := p.subject(c)
	for e := range s.entries(a, t.Store) {
		pattern, ok := e.pattern.of(s, t.FoldCase)
		if !ok {
			continue
		}
		prefix := pattern
		if i := strings.IndexAny(pattern, string(anyRun)+string(anyOne)); i >= 0 {
			prefix = pattern[:i]
		}
		switch {
		case pattern == string(anyRun):
			return Reach{All: true}
		case prefix == "" || t.FoldCase: // folded, a pattern says nothing of the order of names
			out.anywhere = true
		default:
			out.prefixes = append(out.prefixes, prefix)
			for i := range len(prefix) - 1 {
				if prefix[i] == '/' {
					folders[prefix[:i+1]] = true
				}
			}
		}
	}
	out.folders = slices.Collect(maps.Keys(folders))
	return out
}

// Skip returns a place, after or behind it, that neither a name of the reach lies
// before nor a folder that holds some. It is false where none follows at all.
func (r Reach) Skip(after secret.Name) (secret.Name, bool) {
	if r.All || r.anywhere {
		return after, true
	}
	var next secret.Name
	found := false
	come := func(text string) {
		if place := max(before(text), after); !found || place < next {
			next, found = place, true
		}
	}
	for _, p := range r.prefixes {
		if strings.HasPrefix(string(after), p) {
			return after, true
		}
		if p > string(after) {
			come(p)
		}
	}
	for _, f := range r.folders {
		if f > string(after) {
			come(f)
		}
	}
	return next, found
}

// before is a place shortly before what begins with prefix: names after it follow
// it, those with the prefix first, unless its last character is none of ASCII.
func before(prefix string) secret.Name {
	last, size := utf8.DecodeLastRuneInString(prefix)
	rest := prefix[:len(prefix)-size]
	if last <= ' ' || last >= utf8.RuneSelf {
		return secret.Name(rest)
	}
	return secret.Name(rest + string(last-1) + string(utf8.MaxRune))
}
