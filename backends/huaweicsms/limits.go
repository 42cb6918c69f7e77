package huaweicsms

import (
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Limits of the product.
const (
	maxValue    = 32768 // bytes of text, base64 for binary
	maxVersions = 20
	maxLabels   = 12         // of a secret, the two roles included
	maxExpires  = 9999999999 // the last second that it takes: the year 2286
)

// What callers are told of what does not fit.
const (
	noRoom        = "CSMS has no place for it but the description of 2048 bytes, and that is full"
	tooManyLabels = "CSMS holds 12 stages of a secret, the two roles among them"
	badLabel      = "CSMS takes stages of 1 to 64 letters, digits, hyphens, underscores and dots, and some names are taken"
	fixedType     = "CSMS keeps the type of the secret"
)

// valueProblem says why the product cannot hold the value; "" where it can.
func valueProblem(v secret.Value) string {
	switch size := v.Len(); {
	case v.Form() == secret.Binary && (size+2)/3*4 > maxValue:
		return "CSMS holds at most 32768 bytes, which is 24576 bytes of binary"
	case size > maxValue:
		return "CSMS holds at most 32768 bytes"
	}
	return ""
}

// expiresProblem says why the product cannot hold the end.
func expiresProblem(t time.Time) string {
	if s := t.Unix(); !t.IsZero() && (s <= 0 || s >= maxExpires) { // the last second is ours
		return "CSMS holds ends from 1970 to 2286"
	}
	return ""
}

// expiry is an end as the product holds it, in milliseconds of whole seconds;
// zero: none.
func expiry(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix() * 1000
}

// labelsProblem says why the product cannot hold the labels beside those that
// are there.
func labelsProblem(there map[string]bool, labels []string) string {
	all := map[string]bool{sysCurrent: true, sysPrevious: true}
	for l := range there {
		all[l] = true
	}
	for _, l := range labels {
		if !label(l) || !custom(l) {
			return badLabel
		}
		all[l] = true
	}
	if len(all) > max(maxLabels, len(there)) {
		return tooManyLabels
	}
	return ""
}

// typeProblem says why the product, whose type a secret keeps, cannot hold
// what was changed of its Extra.
func (h *stored) typeProblem(extra secret.Extra) string {
	if kind := extra.Text(extraType); h.facts.kind != kindCommon && kind != "" && kind != h.facts.kind {
		return fixedType
	}
	return ""
}
