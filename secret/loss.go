package secret

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

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

// ExtraPending is the member of a version's Extra that says when the product is
// going to delete it by itself.
const ExtraPending = "vault.deletion_time"

// LossDeletion is the word of such a version: no other place does that.
const LossDeletion = "deletion"

// sentences say each What of a loss; %s is what it is lost of.
var sentences = map[string]string{
	"version":             "%s is not kept",
	"value":               "the value of %s is not kept",
	"state":               "%s does not stay disabled",
	"expires":             "the expiry of %s is not kept",
	"not_before":          "the not-before time of %s is not kept",
	"expires_fraction":    "the expiry of %s is cut to whole seconds",
	"not_before_fraction": "the not-before time of %s is cut to whole seconds",
	"content_type":        "the content type of %s is not kept",
	"tags":                "the tags of %s are not kept",
	"stages":              "the stages of %s are not kept",
	"extra":               "attributes of %s that only one vendor knows are not kept",
	"description":         "the description of %s is not kept",
	"uid":                 "the id of %s is not kept",
	"disabled":            "native tools can read %s, which is disabled",
	"current":             "native tools see another current version of %s",
	"previous":            "native tools see another previous version of %s",
	"created":             "native tools see another creation time of %s",
	"updated":             "native tools see another update time of %s",
	"ordinal":             "native tools that write on may change the number of %s",
	"subscriptions":       "subscriptions of %s to events are not kept",
	"managed":             "%s is no longer managed by a certificate",
	"form":                "native tools see another form of the value of %s",
	"number":              "native tools see other numbers of the versions of %s",
	LossDeletion:          "nothing deletes %s at the time that was set",
}

// Sentence says the loss in English. A Why that begins with "is " goes on with
// what is lost: "version 1 is larger than ...".
func (l Loss) Sentence() string {
	of := "the secret"
	if l.Version != 0 {
		of = "version " + l.Version.String()
	}
	s, ok := sentences[l.What]
	if !ok {
		s = l.What + " of %s is not kept"
	}
	if subject, kept := strings.CutSuffix(s, " is not kept"); kept && strings.HasPrefix(l.Why, "is ") {
		return fmt.Sprintf(subject, of) + " " + l.Why
	}
	return fmt.Sprintf(s, of) + ": " + l.Why
}

// String is the grade and the Sentence.
func (l Loss) String() string { return l.Grade.String() + ": " + l.Sentence() }

// Worst returns the highest grade among losses, or zero.
func Worst(losses []Loss) Grade {
	var g Grade
	for _, l := range losses {
		g = max(g, l.Grade)
	}
	return g
}

const beyond = "is after the year 9999, and kept as the end of that year"

// PendingLosses lists the versions that a product was to delete by itself: at no
// other place does anything do so, nor there once it was restored.
func PendingLosses(s *Secret) []Loss {
	var out []Loss
	for i := range s.Versions {
		v := &s.Versions[i]
		if at := v.Extra.Text(ExtraPending); at != "" && v.Missing == "" {
			out = append(out, Loss{Trace, v.Ordinal, LossDeletion, "Vault was to delete it at " + at + " (delete_version_after)"})
		}
	}
	return out
}

// ExportLosses lists what reading s from its product could not bring out. A
// destroyed version is no loss of ours: nobody could read it any more.
func ExportLosses(s *Secret) []Loss {
	out := PendingLosses(s)
	for i := range s.Versions {
		v := &s.Versions[i]
		switch v.Missing {
		case Deleted:
			out = append(out, Loss{Data, v.Ordinal, "value", "native tools deleted this version and could still undelete it; it cannot be read as it is"})
		case Unreadable:
			out = append(out, Loss{Data, v.Ordinal, "value", "the product does not show the value of a disabled version"})
		}
		if v.Expires.Equal(Last) {
			out = append(out, Loss{Trace, v.Ordinal, "expires", beyond})
		}
		if v.NotBefore.Equal(Last) {
			out = append(out, Loss{Trace, v.Ordinal, "not_before", beyond})
		}
	}
	return out
}

// LossWords lists the words that What can be.
func LossWords() []string { return slices.Sorted(maps.Keys(sentences)) }
