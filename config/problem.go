package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
)

// Severity says how much a Problem matters.
type Severity string

// The severities. Errors alone keep the gateway from starting.
const (
	Bad     Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note" // of a key that does nothing yet, say
)

// Problem is one thing to say about one key.
type Problem struct {
	Severity Severity `json:"severity"`
	Path     string   `json:"path"` // "stores[0].bolt.path"; empty: the file
	Message  string   `json:"message"`

	unresolved bool // a reference to a secret leads to none
}

// String is one line for people.
func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// Error is every problem of a file that keeps the gateway from starting.
type Error struct {
	File     string
	Problems []Problem
}

// Error lists the problems, one a line.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	lines = append(lines, e.File+": the configuration cannot be used")
	for _, p := range e.Problems {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

// report gathers problems.
type report struct{ all []Problem }

func (r *report) bad(path, format string, args ...any) {
	r.add(Problem{Severity: Bad, Path: path, Message: fmt.Sprintf(format, args...)})
}

func (r *report) add(bad Problem) {
	path := bad.Path
	// What could not be decoded is empty now: that says nothing new.
	for _, p := range r.all {
		if p.Severity == Bad && (p.Path == path || strings.HasPrefix(path, p.Path+".")) && p.Path != "" {
			return
		}
	}
	r.all = append(r.all, bad)
}

// wrongBelow reports whether something of a section was wrong already: what is
// empty there says nothing new.
func (r *report) wrongBelow(path string) bool {
	return slices.ContainsFunc(r.all, func(p Problem) bool {
		return p.Severity == Bad && (p.Path == path || strings.HasPrefix(p.Path, path+"."))
	})
}

func (r *report) warn(path, format string, args ...any) {
	r.all = append(r.all, Problem{Severity: Warning, Path: path, Message: fmt.Sprintf(format, args...)})
}

// split parts errors from the rest.
func (r *report) split() (bad, rest []Problem) {
	for _, p := range r.all {
		if p.Severity == Bad {
			bad = append(bad, p)
		} else {
			rest = append(rest, p)
		}
	}
	return bad, rest
}

// addTree adds each leaf of a tree of errors, in which those of the decoder
// carry a path and others may begin with one. root is the Go type decoded.
func (r *report) addTree(path, root string, err error) {
	for _, leaf := range leaves(err, root) {
		at, message := leaf.path, leaf.message
		if at == "" {
			if key, rest, ok := strings.Cut(message, ": "); ok && isKeyPath(key) {
				at, message = key, rest
			}
		}
		r.add(Problem{Severity: Bad, Path: join(path, at), Message: message, unresolved: leaf.unresolved})
	}
}

type leaf struct {
	path, message string
	unresolved    bool
}

// unresolved is the error of a reference that leads to no secret.
type unresolved struct{ error }

func isUnresolved(err error) bool {
	_, ok := errors.AsType[unresolved](err)
	return ok
}

// leaves flattens joined and nested errors of the decoder, which calls the
// root by its Go type.
func leaves(err error, root string) []leaf {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var all []leaf
		for _, e := range many.Unwrap() {
			all = append(all, leaves(e, root)...)
		}
		return all
	}
	var deeper *mapstructure.DecodeError
	inner := errors.Unwrap(err)
	if errors.As(inner, &deeper) {
		return leaves(inner, root)
	}
	at, ok := err.(*mapstructure.DecodeError) //nolint:errorlint // this very error is taken apart
	if !ok {
		return []leaf{{message: err.Error(), unresolved: isUnresolved(err)}}
	}
	if keys, ok := strings.CutPrefix(inner.Error(), "has invalid keys: "); ok {
		var all []leaf
		for key := range strings.SplitSeq(keys, ", ") {
			all = append(all, leaf{path: join(atPath(at, root), key), message: "unknown key"})
		}
		return all
	}
	return []leaf{{atPath(at, root), plain(inner), isUnresolved(inner)}}
}

func atPath(e *mapstructure.DecodeError, root string) string {
	if name := e.Name(); name != root {
		return name
	}
	return ""
}

// plain says in the words of a configuration what the decoder says in Go's.
func plain(err error) string {
	var wrong *mapstructure.UnconvertibleTypeError
	if errors.As(err, &wrong) {
		return fmt.Sprintf("%s is wanted here, not %s", wordFor(wrong.Expected.Type().Kind().String()), wordFor(fmt.Sprintf("%T", wrong.Value)))
	}
	s := strings.TrimPrefix(err.Error(), "error decoding: ")
	if rest, ok := strings.CutPrefix(s, "expected a map or struct, got "); ok {
		return fmt.Sprintf("a section with keys is wanted here, not %s", wordFor(strings.Trim(rest, `"`)))
	}
	if rest, ok := strings.CutPrefix(s, "source data must be an array or slice, got "); ok {
		return fmt.Sprintf("a list is wanted here, not %s", wordFor(strings.Trim(rest, `"`)))
	}
	return s
}

func wordFor(goType string) string {
	switch {
	case goType == "string":
		return "text"
	case goType == "bool":
		return "true or false"
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"), strings.HasPrefix(goType, "float"):
		return "a number"
	case goType == "slice", strings.HasPrefix(goType, "[]"):
		return "a list"
	case goType == "map", goType == "struct", strings.HasPrefix(goType, "map["):
		return "a section with keys"
	}
	return "something else"
}

func isKeyPath(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_.[]") == ""
}

func join(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}
