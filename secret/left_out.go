package secret

import (
	"fmt"
	"strconv"
	"strings"
)

// LeftOutReason says why a list does not show something.
type LeftOutReason string

// The reasons. Incomplete tells which of them mean that the list is not whole.
const (
	// LeftOutFolder: the product does not list the folder. Secrets may be in it.
	LeftOutFolder LeftOutReason = "folder"
	// LeftOutUnreadable: the secret is there, and nothing of it can be read.
	LeftOutUnreadable LeftOutReason = "unreadable"
	// LeftOutName: the product has an entry under a name that the model cannot
	// hold.
	LeftOutName LeftOutReason = "name"
	// LeftOutEmpty: native tools deleted or destroyed every version, or set
	// something of a name before its first version.
	LeftOutEmpty LeftOutReason = "empty"
	// LeftOutUnfinished: an import of the secret was begun and is not finished.
	LeftOutUnfinished LeftOutReason = "unfinished"
)

// LeftOut is something that a product holds and a list of it does not show.
type LeftOut struct {
	Why LeftOutReason
	// Name is of the secret; of a folder what the names in it begin with, a
	// slash at the end. Empty: the model has no name for it.
	Name Name
	// Native is what the product calls something without a Name. Empty: it does
	// not tell.
	Native string
	// Detail is the cause, as in an Error.
	Detail string
}

// Incomplete reports whether the list lacks what it should show. What is empty
// or unfinished is no secret to anybody who reads.
func (l *LeftOut) Incomplete() bool {
	return l.Why != LeftOutEmpty && l.Why != LeftOutUnfinished
}

// at is where l stands among the names. What not even the product names is at
// the beginning.
func (l *LeftOut) at() Name {
	if l.Name == "" {
		return Name(l.Native)
	}
	return l.Name
}

// On reports whether l belongs to the page that answers q and ends at next, or
// at the end of the list where next is empty. A folder around q.Under is on the
// first page of what is under it.
func (l *LeftOut) On(q Query, next Name) bool {
	if l.at() == "" {
		return q.After == ""
	}
	around := l.Why == LeftOutFolder && q.Under != "" && q.After == q.Under && strings.HasPrefix(string(q.Under), string(l.Name))
	return around || l.at() > q.After && !l.Beyond(next)
}

// Beyond reports whether l belongs to a page after the one that ends at next.
func (l *LeftOut) Beyond(next Name) bool { return next != "" && l.at() > next }

// Under reports whether l is about names under q.Under, or may be.
func (l *LeftOut) Under(q Query) bool {
	return strings.HasPrefix(string(l.at()), string(q.Under)) ||
		l.Why == LeftOutFolder && strings.HasPrefix(string(q.Under), string(l.Name))
}

// Bounds of LeftOutSentences: how many of one reason it names, and how much of a
// name that is none of the model's it shows.
const (
	mostNamed = 20
	mostShown = 60
)

// LeftOutSentences says in English what was left out: one sentence for each
// reason and cause, which counts and names.
func LeftOutSentences(all []LeftOut) []string {
	type key struct {
		why    LeftOutReason
		detail string
	}
	groups := map[key][]string{}
	var order []key
	for i := range all {
		l := &all[i]
		k := key{l.Why, l.Detail}
		if groups[k] == nil {
			order = append(order, k)
			groups[k] = []string{}
		}
		groups[k] = append(groups[k], l.called())
	}
	var out []string
	for _, k := range order {
		said := leftOutSentence(k.why, groups[k])
		if k.detail != "" {
			said += ": " + k.detail
		}
		out = append(out, said)
	}
	return out
}

// called is the name as a sentence has it; empty: there is none.
func (l *LeftOut) called() string {
	switch {
	case l.Name != "":
		return strconv.Quote(string(l.Name))
	case len(l.Native) > mostShown:
		return strconv.Quote(l.Native[:mostShown] + "...")
	case l.Native != "":
		return strconv.Quote(l.Native)
	}
	return ""
}

var leftOutWords = map[LeftOutReason][2]string{
	LeftOutFolder:     {"1 folder could not be listed", "%d folders could not be listed"},
	LeftOutUnreadable: {"1 secret could not be read", "%d secrets could not be read"},
	LeftOutName:       {"1 entry has a name that the gateway cannot hold", "%d entries have names that the gateway cannot hold"},
	LeftOutEmpty:      {"1 secret is without a version that can be read", "%d secrets are without a version that can be read"},
	LeftOutUnfinished: {"the import of 1 secret is not finished", "the imports of %d secrets are not finished"},
}

func leftOutSentence(why LeftOutReason, names []string) string {
	said := leftOutWords[why][0]
	if len(names) > 1 {
		said = fmt.Sprintf(leftOutWords[why][1], len(names))
	}
	var shown []string
	for _, n := range names {
		if n != "" && len(shown) < mostNamed {
			shown = append(shown, n)
		}
	}
	if len(shown) == 0 {
		return said
	}
	said += " (" + strings.Join(shown, ", ")
	if more := len(names) - len(shown); more > 0 {
		said += fmt.Sprintf(" and %d more", more)
	}
	return said + ")"
}
