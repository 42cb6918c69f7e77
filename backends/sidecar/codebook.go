package sidecar

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Letter is a JSON key of a sidecar. It means the same in every product. Small
// letters are those of Version and Secret, capitals those of a product's
// framing.
type Letter struct {
	Key     string
	Meaning string
}

// Codebook lists every letter.
func Codebook() []Letter {
	return []Letter{
		{"a", "why the version holds no value: destroyed, deleted, unreadable or unsaved"},
		{"b", "not before, to the nanosecond"},
		{"c", "created"},
		{"d", "disabled"},
		{"e", "expires, to the nanosecond"},
		{"f", "form of the value: b base64 of bytes, j JSON text of an object, f fields that would read as text"},
		{"g", "tags; {}: set to nothing"},
		{"h", "highest ordinal ever given, where no version tells it"},
		{"i", "mark of an import"},
		{"k", "the name, where the product's is a hash of it"},
		{"l", "shifts, as pairs: from the first number on, the ordinal is the product's number plus the second"},
		{"m", "updated (modified); a version leaves it out where `c` is the same"},
		{"n", "ordinal (number) of the version"},
		{"o", "open ends: the product shows a not-before (b) or an expiry (e), and the version has none"},
		{"r", "roles: ordinals of the current and the previous version; 0: none"},
		{"s", "stages of the version; of a secret, each stage with the ordinal that has it"},
		{"t", "description (text)"},
		{"u", "UID, in base64url"},
		{"w", "when the gateway wrote this, or deleted the secret, by its own clock"},
		{"x", "extra: what one API knows and the other does not"},
		{"y", "content type"},
		{"z", "deleted: when, and until when it can be recovered"},
		{"A", "the newest version, by the product's number, when this was written"},
		{"B", "the version has no sidecar but this: a backup enabled it to read it (O), and it is without tags if this is left"},
		{"D", "days that the product was asked to keep the deleted secret"},
		{"E", "end of the time to recover"},
		{"F", "the product's tags of this version are those of the secret; the version has none"},
		{"G", "gaps: first and last number of placeholders"},
		{"H", "keyed digest of the value that this belongs to"},
		{"I", "in time: first and last numbers of versions that the product was to delete by itself"},
		{"J", "numbers that are no versions: of requests that came twice"},
		{"K", "first and last numbers of versions that native tools had deleted before"},
		{"L", "key (salt) of the digests"},
		{"M", "more stands in the companion"},
		{"N", "number of the version in the product"},
		{"O", "opened: when the gateway enabled or undeleted the version to read it"},
		{"P", "numbers of the product's own current and previous version while r is true"},
		{"Q", "how long the product lets a version last (`delete_version_after`), while a recovery has that off"},
		{"R", "the rest of this stands in the companion"},
		{"S", "of the secret as a whole"},
		{"T", "touched: when a gateway last changed the version in place"},
		{"V", "versions"},
		{"W", "will be: roles once the version A is there, while that is being written"},
		{"Y", "the content type is the gateway's, and none of the source's"},
		{"Z", "mark of an import, in the version that is written last and finishes it"},
	}
}

// CheckLetters lists the JSON keys of a struct, and of those in it, that the
// codebook does not know. It is for tests.
func CheckLetters(v any) []string { return unknownLetters(reflect.TypeOf(v), map[reflect.Type]bool{}) }

func unknownLetters(t reflect.Type, seen map[reflect.Type]bool) (out []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return nil
	}
	seen[t] = true
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch known := slices.ContainsFunc(Codebook(), func(l Letter) bool { return l.Key == key }); {
		case f.Anonymous && key == "":
			out = append(out, unknownLetters(f.Type, seen)...)
		case key == "" || key == "-":
		case !known:
			out = append(out, fmt.Sprintf("%s.%s: %q", t.Name(), f.Name, key))
		default:
			out = append(out, unknownLetters(f.Type, seen)...)
		}
	}
	return out
}
