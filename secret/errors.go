package secret

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Kind says what went wrong in terms a caller can act on. The zero Kind is
// Internal, so that the unclassified stays private. A Kind is an error:
// errors.Is(err, secret.NotFound) works.
type Kind uint8

// The kinds. Each dialect has one table from these to its own codes; adding a
// kind here fails that table's test until it has a row.
const (
	Internal        Kind = iota // a fault of ours; nothing more is disclosed
	NotFound                    // no such secret or version
	Trashed                     // the name is held by a deleted, recoverable secret
	AlreadyExists               // the name is taken by a live secret
	Disabled                    // the version exists, its value may not be read
	Invalid                     // the request breaks a rule; Detail says which
	TooLarge                    // a value, body or count is over a limit
	Unauthenticated             // the sender did not prove who it is
	Denied                      // the policy, or a read-only store, says no
	Conflict                    // another writer came first
	Unsupported                 // known, but not served here
	Throttled                   // come back after RetryAfter
	Unavailable                 // the product cannot be reached or is not ready; nothing was changed
	Unknown                     // a write may or may not have happened
	Partial                     // an import stopped midway; Detail says what stands
	Upstream                    // the product refused the gateway's credentials; never the caller's fault
	Corrupt                     // a blob failed authentication or decoding
	Lossy                       // refused: the target would lose what Detail lists
	NoKey                       // a blob that may be whole, sealed with a key that is not held here
	kindCount
)

var kindNames = [kindCount]string{
	"internal error", "not found", "deleted but recoverable", "already exists", "disabled",
	"invalid", "too large", "unauthenticated", "denied", "conflict", "unsupported", "throttled",
	"unavailable", "outcome unknown", "partly done", "refused by the product", "corrupt", "lossy", "no key",
}

// Error names the kind.
func (k Kind) Error() string {
	if k < kindCount {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Kinds lists every kind, for tables that must be complete.
func Kinds() []Kind {
	all := make([]Kind, 0, kindCount)
	for k := Internal; k < kindCount; k++ {
		all = append(all, k)
	}
	return all
}

// Error is the one error type that crosses package borders.
type Error struct {
	Kind       Kind
	Op         string        // what was tried, for logs: "hashivault.put"
	Name       Name          // the secret concerned, if any
	Detail     string        // why, fit for the client: see ReasonOf; never a value, of vendor text what kit.Answer.Told lets through
	RetryAfter time.Duration // with Throttled and Unavailable; zero: not said
	Err        error         // the cause, for logs alone
}

// Error is for logs: it includes the cause.
func (e *Error) Error() string {
	s := e.Kind.Error()
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Name != "" {
		s += fmt.Sprintf(" (%q)", string(e.Name))
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap makes errors.Is match both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Errorf returns an Error of the kind with a client-safe detail.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Detail: fmt.Sprintf(format, args...)}
}

// KindOf returns the kind of the first *Error or Kind in err's tree, else
// Internal. A nil error has no kind: do not ask.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var k Kind
	if errors.As(err, &k) {
		return k
	}
	return Internal
}

// DetailOf returns what may be told to a client about err, or "".
func DetailOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Detail
	}
	return ""
}

// Explain says an error as people need it: what is wrong and why, without the
// names that the code has for it. It tells the cause, and so is for operators
// alone.
func Explain(err error) string {
	s := err.Error()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return s
	}
	plain := e.Detail
	if plain == "" {
		plain = e.Kind.Error()
	}
	if e.Err != nil {
		plain += ": " + Explain(e.Err)
	}
	return strings.Replace(s, e.Error(), plain, 1)
}

// WithoutPath is what is wrong with a file, for a message that names the file:
// the system's own errors begin with what the code did, and the path again.
func WithoutPath(err error) error {
	switch e := err.(type) { //nolint:errorlint // what was wrapped has been named already
	case *os.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	}
	return err
}

// Cause returns what is behind err without any kind, to be the Err of an error
// of another kind: errors.Is must not find two.
func Cause(err error) error {
	var e *Error
	switch {
	case !errors.As(err, &e):
		return err
	case e.Err == nil:
		return errors.New(e.Error())
	}
	return Cause(e.Err)
}
