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
	noRoom        = "there is room for it only in the description, and the 2,048 bytes of that are full"
	tooManyLabels = "CSMS holds 12 stages of a secret, the two roles among them"
	badLabel      = "CSMS takes stages of 1 to 64 letters, digits, hyphens, underscores and dots, and reserves some names"
)

// problem says why the product cannot hold what a word of package loss names; ""
// where it can.
type problem struct{ what, why string }

// refuse is the error of the first problem.
func refuse(k secret.Kind, problems ...problem) error {
	for _, p := range problems {
		if p.why != "" {
			return secret.Errorf(k, "%s: %s", p.what, p.why)
		}
	}
	return nil
}

// valueProblem says what keeps the product from holding the value: what it "is".
func valueProblem(v secret.Value) string {
	switch size := v.Len(); {
	case v.Form() == secret.Binary && (size+2)/3*4 > maxValue:
		return "is larger than CSMS's limit of 24576 bytes of binary"
	case size > maxValue:
		return "is larger than CSMS's limit of 32768 bytes"
	}
	return ""
}

// expiresProblem says why the product cannot hold the end.
func expiresProblem(t time.Time) string {
	if s := t.Unix(); !t.IsZero() && (s <= 0 || s >= maxExpires) { // the last second is ours
		return "CSMS holds expiry times from 1970 to 2286"
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

// typeProblem says why the Extra of h is not what the product can hold.
func (h *stored) typeProblem() string {
	if kind := h.Extra.Text(extraType); h.facts.kind != kindCommon && kind != "" && kind != h.facts.kind {
		return "CSMS keeps the type of the secret"
	}
	return ""
}
