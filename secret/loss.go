package secret

import "fmt"

// Grade orders losses by how much they matter.
type Grade uint8

// The grades, mildest first.
const (
	// Trace: only native tools see a difference (times, ids); the gateway
	// keeps the fact beside the version. Accepted without asking.
	Trace Grade = iota + 1
	// Meaning: a state, expiry, stage or tag is not held.
	Meaning
	// Data: a version or a value is gone, or a disabled version becomes
	// readable by native tools.
	Data
)

// String names the grade as reports do.
func (g Grade) String() string {
	switch g {
	case Trace:
		return "trace"
	case Meaning:
		return "meaning"
	case Data:
		return "data"
	}
	return fmt.Sprintf("grade(%d)", uint8(g))
}

// Loss is one thing that a product cannot hold, or could not give.
type Loss struct {
	Grade Grade
	// Version is the version concerned; zero: the secret as a whole.
	Version Ordinal
	// What is the attribute, in a word of the table in package backends, which
	// says what each means for the secret that arrives: "value", "expires".
	What string
	// Why is a short reason without any value in it.
	Why string
}

// String is one line for people.
func (l Loss) String() string {
	if l.Version == 0 {
		return fmt.Sprintf("%s: %s of the secret: %s", l.Grade, l.What, l.Why)
	}
	return fmt.Sprintf("%s: %s of version %d: %s", l.Grade, l.What, l.Version, l.Why)
}

// Worst returns the highest grade among losses, or zero.
func Worst(losses []Loss) Grade {
	var g Grade
	for _, l := range losses {
		g = max(g, l.Grade)
	}
	return g
}

// ExportLosses lists what reading s from its product could not bring out. A
// destroyed version is no loss of ours: nobody could read it any more.
func ExportLosses(s *Secret) []Loss {
	var out []Loss
	for i := range s.Versions {
		v := &s.Versions[i]
		switch v.Missing {
		case Deleted:
			out = append(out, Loss{Data, v.Ordinal, "value", "native tools deleted this version and could still undelete it; it cannot be read as it is"})
		case Unreadable:
			out = append(out, Loss{Data, v.Ordinal, "value", "the product does not show the value of a disabled version"})
		}
	}
	return out
}
