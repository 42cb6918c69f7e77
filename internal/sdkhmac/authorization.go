package sdkhmac

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Authorization is what an Authorization header says.
type Authorization struct {
	Access        string   // the access key's id
	Scope         string   // DerivedAlgorithm: "YYYYMMDD/region/service"; Algorithm: empty
	SignedHeaders []string // lower case, sorted, each once
	Signature     [sha256.Size]byte
}

const (
	maxHeader = 8 << 10
	maxAccess = 128
	maxScope  = 128
)

// Parse reads an Authorization header. It takes the one form that clients
// write, so Parse(h).String() == h for every h that it takes.
func Parse(header string) (Authorization, error) {
	algorithm, rest, _ := strings.Cut(header, " ")
	key := "Access="
	switch {
	case algorithm == DerivedAlgorithm:
		key = "Credential="
	case algorithm != Algorithm:
		return Authorization{}, ErrAlgorithm
	}
	who, rest, _ := strings.Cut(rest, ", ")
	headers, signature, _ := strings.Cut(rest, ", ")
	who, isWho := strings.CutPrefix(who, key)
	headers, isHeaders := strings.CutPrefix(headers, "SignedHeaders=")
	signature, isSignature := strings.CutPrefix(signature, "Signature=")
	a := Authorization{Access: who, SignedHeaders: strings.Split(headers, ";")}
	scoped := true
	if algorithm == DerivedAlgorithm {
		a.Access, a.Scope, _ = strings.Cut(who, "/")
		scoped = validScope(a.Scope)
	}
	switch {
	case len(header) > maxHeader || !isWho || !isHeaders || !isSignature:
		return Authorization{}, fmt.Errorf("%w: not %s, SignedHeaders=, Signature=", ErrMalformed, key)
	case !validWord(a.Access, maxAccess) || !scoped:
		return Authorization{}, fmt.Errorf("%w: %s", ErrMalformed, key)
	case !validHeaders(a.SignedHeaders):
		return Authorization{}, fmt.Errorf("%w: SignedHeaders", ErrMalformed)
	case !decodeHex(&a.Signature, signature):
		return Authorization{}, fmt.Errorf("%w: Signature", ErrMalformed)
	}
	return a, nil
}

// Algorithm is the first word of the header.
func (a Authorization) Algorithm() string {
	if a.Scope != "" {
		return DerivedAlgorithm
	}
	return Algorithm
}

// String is the header.
func (a Authorization) String() string {
	who := "Access=" + a.Access
	if a.Scope != "" {
		who = "Credential=" + a.Access + "/" + a.Scope
	}
	return fmt.Sprintf("%s %s, SignedHeaders=%s, Signature=%x", a.Algorithm(), who, strings.Join(a.SignedHeaders, ";"), a.Signature)
}

// validScope wants a day, a region and a service. Which they are is the
// client's to say: the derived key is bound to them.
func validScope(s string) bool {
	day, rest, _ := strings.Cut(s, "/")
	region, service, _ := strings.Cut(rest, "/")
	return len(day) == len("20060102") && strings.Trim(day, "0123456789") == "" &&
		validWord(region, maxScope) && validWord(service, maxScope) && !strings.Contains(service, "/")
}

func validWord(s string, longest int) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return s != "" && len(s) <= longest
}

// validHeaders wants lower-case tokens in strictly ascending order, which
// makes each name occur once.
func validHeaders(names []string) bool {
	for i, s := range names {
		if s == "" || (i > 0 && names[i-1] >= s) {
			return false
		}
		for j := range len(s) {
			if !isHeaderByte(s[j]) {
				return false
			}
		}
	}
	return true
}

func isHeaderByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// decodeHex takes lower-case digits alone.
func decodeHex(into *[sha256.Size]byte, s string) bool {
	var digits [2 * sha256.Size]byte
	if len(s) != len(digits) || strings.ToLower(s) != s {
		return false
	}
	copy(digits[:], s)
	_, err := hex.Decode(into[:], digits[:])
	return err == nil
}
