package secret

import (
	"encoding/base32"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Name names a secret within a store. It is case-sensitive UTF-8. A slash is
// an ordinary character that some products show as a folder.
type Name string

// MaxName bounds a Name in bytes.
const MaxName = 512

// Validate checks the rules that hold in every store.
func (n Name) Validate() error {
	switch {
	case n == "":
		return Errorf(Invalid, "the name is empty")
	case len(n) > MaxName:
		return Errorf(Invalid, "the name is longer than %d bytes", MaxName)
	case !utf8.ValidString(string(n)):
		return Errorf(Invalid, "the name is not valid UTF-8")
	case strings.ContainsFunc(string(n), unicode.IsControl):
		return Errorf(Invalid, "the name holds a control character")
	}
	return nil
}

// Before is a place in lists directly before n: whoever asks for what is after it is
// told of n first, but for a name that holds the last character that there is.
func (n Name) Before() Name {
	last, size := utf8.DecodeLastRuneInString(string(n))
	rest := n[:len(n)-size]
	switch last {
	case utf8.RuneError, 0:
		return rest
	case surrogatesEnd:
		last = surrogatesBegin
	}
	return rest + Name(last-1) + Name(utf8.MaxRune)
}

// No character has a number between these.
const surrogatesBegin, surrogatesEnd = '\ud7ff' + 1, '\ue000'

// escapePrefix begins a name that the wire or product could not spell.
const escapePrefix = "x0-"

var escapeEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// Naming is one bijection between the names of the model and those of a wire
// or product. A model name that the other side can spell stands for itself;
// any other becomes "x0-" and the lower-case base32hex of its UTF-8.
type Naming struct {
	// Natural reports whether the other side can spell s as it is.
	Natural func(s string) bool
	// Max is the longest name of the other side, in bytes. Zero: no limit.
	Max int
	// What names the other side in errors: "Key Vault".
	What string
}

// Encode returns the other side's name. It fails with Invalid only where the
// name breaks the model's rules or its escape is too long.
func (n Naming) Encode(name Name) (string, error) {
	if err := name.Validate(); err != nil {
		return "", err
	}
	s := string(name)
	if n.natural(s) {
		if _, esc := n.unescape(s); !esc {
			return s, nil
		}
	}
	s = escapePrefix + escapeEncoding.EncodeToString([]byte(s))
	if n.Max > 0 && len(s) > n.Max {
		return "", &Error{Kind: Invalid, Name: name, Detail: "the name is too long to be written in " + n.What}
	}
	return s, nil
}

// Decode returns the model's name. It fails with Invalid where the other side
// could not have such a name.
func (n Naming) Decode(s string) (Name, error) {
	if name, ok := n.unescape(s); ok {
		return name, nil
	}
	if !n.natural(s) {
		return "", Errorf(Invalid, "not a valid %s name", n.What)
	}
	if err := Name(s).Validate(); err != nil {
		return "", err
	}
	return Name(s), nil
}

func (n Naming) natural(s string) bool {
	return s != "" && (n.Max == 0 || len(s) <= n.Max) && n.Natural(s)
}

// unescape reports whether s is the one escape of a name that needs it.
// Anything else that merely looks like an escape stands for itself.
func (n Naming) unescape(s string) (Name, bool) {
	rest, ok := strings.CutPrefix(s, escapePrefix)
	if !ok || (n.Max > 0 && len(s) > n.Max) {
		return "", false
	}
	b, err := escapeEncoding.DecodeString(rest)
	if err != nil || escapeEncoding.EncodeToString(b) != rest {
		return "", false
	}
	name := Name(b)
	if name.Validate() != nil {
		return "", false
	}
	if n.natural(string(b)) {
		if _, esc := n.unescape(string(b)); !esc {
			return "", false // b stands for itself, so s is no escape of it
		}
	}
	return name, true
}
