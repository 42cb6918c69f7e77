package history

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/secret"
)

// CheckDraft refuses (Invalid) what no store can hold.
func CheckDraft(d *secret.Draft) error {
	switch {
	case d.Missing == "" && d.Value.IsNone():
		return secret.Errorf(secret.Invalid, "a version needs a value")
	case d.Missing != "" && !d.Value.IsNone():
		return secret.Errorf(secret.Invalid, "a version that misses its value cannot hold one")
	case d.Value.Form() == secret.Fields && !isObject(d.Value.Reveal()):
		return secret.Errorf(secret.Invalid, "a value of fields is not a JSON object")
	case d.TakePrevious && !d.KeepCurrent:
		return secret.Errorf(secret.Invalid, "a version cannot become current and previous at once")
	case slices.Contains(d.Stages, ""):
		return secret.Errorf(secret.Invalid, "a stage has no name")
	case !isText(d.ContentType) || !isText(d.Stages...) || !areTexts(d.Tags):
		return secret.Errorf(secret.Invalid, "an attribute is not valid UTF-8")
	case !areJSON(d.Extra):
		return secret.Errorf(secret.Invalid, "an extra attribute is not valid JSON")
	case !areMembers(d.MergeExtra):
		return secret.Errorf(secret.Invalid, "an extra attribute of the secret is not valid JSON")
	}
	if d.OfSecret != nil {
		return checkAttributes(d.OfSecret)
	}
	return nil
}

// CheckDrafts is CheckDraft for versions that are appended together.
func CheckDrafts(ds []secret.Draft) error {
	if len(ds) == 0 {
		return secret.Errorf(secret.Invalid, "there is no version to add")
	}
	uids := map[secret.UID]bool{}
	for i := range ds {
		d := &ds[i]
		if err := CheckDraft(d); err != nil {
			return err
		}
		if !d.UID.IsZero() && uids[d.UID] {
			return TakenUID()
		}
		uids[d.UID] = true
	}
	return nil
}

// CheckLengths refuses values of more than most bytes.
func CheckLengths(most int, ds ...secret.Draft) error {
	for i := range ds {
		if ds[i].Value.Len() > most {
			return secret.Errorf(secret.TooLarge, "the value is longer than %d bytes", most)
		}
	}
	return nil
}

// TakenUID refuses a version whose UID another one of the secret has.
func TakenUID() error {
	return secret.Errorf(secret.Invalid, "a version of the secret has the id already")
}

func checkAttributes(a *secret.Attributes) error {
	switch {
	case !isText(a.Description), !areTexts(a.Tags):
		return secret.Errorf(secret.Invalid, "an attribute of the secret is not valid UTF-8")
	case !areJSON(a.Extra):
		return secret.Errorf(secret.Invalid, "an extra attribute of the secret is not valid JSON")
	}
	return nil
}

func isText(ss ...string) bool {
	return !slices.ContainsFunc(ss, func(s string) bool { return !utf8.ValidString(s) })
}

func isObject(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) > 0 && b[0] == '{' && utf8.Valid(b) && json.Valid(b)
}

func areJSON(e secret.Extra) bool {
	for k, v := range e {
		if !isText(k) || !isMember(v) {
			return false
		}
	}
	return true
}

// isMember reports whether m is JSON that stays so in what a store writes around
// it: readers give up at 10,000 levels.
func isMember(m json.RawMessage) bool {
	return utf8.Valid(m) && json.Valid(m) && json.Valid(slices.Concat(inner, m, outer))
}

var inner, outer = bytes.Repeat([]byte("["), levels), bytes.Repeat([]byte("]"), levels)

// levels is more than any store writes around a member.
const levels = 100

// areMembers is areJSON for members of which nil ones are to be removed.
func areMembers(change map[string]json.RawMessage) bool {
	for k, m := range change {
		if !isText(k) || m != nil && !isMember(m) {
			return false
		}
	}
	return true
}

func areTexts(m map[string]string) bool {
	for k, v := range m {
		if !isText(k, v) {
			return false
		}
	}
	return true
}
