package access

import (
	"fmt"
	"strings"
)

// What stands for `*` and `?` in a pattern that is ready to be matched, so that
// text which is inserted into it never means more than itself. Names hold
// neither.
const (
	anyRun = '\x00'
	anyOne = '\x01'
)

var wildcards = strings.NewReplacer("*", string(anyRun), "?", string(anyOne))

// A placeholder is callerName, or an attribute's name between these.
const (
	opening    = "{caller."
	closing    = "}"
	callerName = "name"
)

// pattern is a pattern of names. Its even parts stand as they are, between them
// are the names of attributes.
type pattern struct {
	parts []string
	lower []string // the same for names whose case the product ignores
}

// ParsePattern returns the attributes of the caller that a pattern of names
// takes; "name" is the caller's name.
func ParsePattern(text string) (attributes []string, err error) {
	p, err := parsePattern(text)
	for i := 1; i < len(p.parts); i += 2 {
		attributes = append(attributes, p.parts[i])
	}
	return attributes, err
}

func parsePattern(text string) (p pattern, err error) {
	if strings.ContainsAny(text, string(anyRun)+string(anyOne)) {
		return pattern{}, fmt.Errorf("%q: no name holds control characters", text)
	}
	rest := text
	for {
		before, after, found := strings.Cut(rest, opening)
		p.parts = append(p.parts, wildcards.Replace(before))
		p.lower = append(p.lower, wildcards.Replace(strings.ToLower(before)))
		if !found {
			return p, nil
		}
		name, behind, closed := strings.Cut(after, closing)
		if !closed || !IsAttribute(name) {
			return pattern{}, fmt.Errorf("%q: a placeholder is {caller.name}, or {caller.ATTRIBUTE} of small letters, digits, - and _", text)
		}
		p.parts, p.lower = append(p.parts, name), append(p.lower, name)
		rest = behind
	}
}

// IsAttribute reports whether an attribute of callers may be called so.
func IsAttribute(name string) bool {
	return name != "" && 'a' <= name[0] && name[0] <= 'z' && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// prefix is what every name begins with that the pattern matches for whoever
// asks.
func (p pattern) prefix(fold bool) string {
	text := p.parts[0]
	if fold {
		text = p.lower[0]
	}
	if i := strings.IndexAny(text, string(anyRun)+string(anyOne)); i >= 0 {
		text = text[:i]
	}
	return text
}

// open: the pattern takes something of the caller.
func (p pattern) open() bool { return len(p.parts) > 1 }

// of is the pattern for one caller, ready to be matched. It is false where the
// caller lacks something.
func (p pattern) of(s *subject, fold bool) (string, bool) {
	parts := p.parts
	if fold {
		parts = p.lower
	}
	if len(parts) == 1 {
		return parts[0], true
	}
	var b strings.Builder
	for i, part := range parts {
		if i%2 == 1 {
			text := s.attribute(part)
			if text == "" || strings.ContainsAny(text, string(anyRun)+string(anyOne)) {
				return "", false
			}
			if fold {
				text = strings.ToLower(text)
			}
			part = text
		}
		b.WriteString(part)
	}
	return b.String(), true
}

// matches reports whether the pattern covers a name, which is folded already
// where fold is true.
func (p pattern) matches(s *subject, name string, fold bool) bool {
	text, ok := p.of(s, fold)
	return ok && (text == string(anyRun) || glob(text, name, anyRun, anyOne))
}
