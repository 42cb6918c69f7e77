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
	SignedHeaders []string // lower case, sorted, each once
	Signature     [sha256.Size]byte
}

const (
	maxHeader = 8 << 10
	maxAccess = 128
)

// Parse reads an Authorization header. It takes the one form that clients
// write, so Parse(h).String() == h for every h that it takes.
func Parse(header string) (Authorization, error) {
	rest, ok := strings.CutPrefix(header, Algorithm+" ")
	if !ok {
		return Authorization{}, ErrAlgorithm
	}
	parts := strings.Split(rest, ", ")
	if len(header) > maxHeader || len(parts) != 3 {
		return Authorization{}, fmt.Errorf("%w: not three parts", ErrMalformed)
	}
	var values [3]string
	for i, key := range []string{"Access=", "SignedHeaders=", "Signature="} {
		if values[i], ok = strings.CutPrefix(parts[i], key); !ok {
			return Authorization{}, fmt.Errorf("%w: no %s", ErrMalformed, strings.TrimSuffix(key, "="))
		}
	}
	a := Authorization{Access: values[0], SignedHeaders: strings.Split(values[1], ";")}
	switch {
	case !validAccess(a.Access):
		return Authorization{}, fmt.Errorf("%w: Access", ErrMalformed)
	case !validHeaders(a.SignedHeaders):
		return Authorization{}, fmt.Errorf("%w: SignedHeaders", ErrMalformed)
	}
	n, err := hex.Decode(a.Signature[:], []byte(values[2][:min(len(values[2]), 2*len(a.Signature))]))
	if err != nil || n != len(a.Signature) || hex.EncodeToString(a.Signature[:]) != values[2] {
		return Authorization{}, fmt.Errorf("%w: Signature", ErrMalformed)
	}
	return a, nil
}

// String is the header.
func (a Authorization) String() string {
	return fmt.Sprintf("%s Access=%s, SignedHeaders=%s, Signature=%x",
		Algorithm, a.Access, strings.Join(a.SignedHeaders, ";"), a.Signature)
}

func validAccess(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return s != "" && len(s) <= maxAccess
}

// validHeaders wants lower-case tokens in strictly ascending order, which
// makes each name occur once.
func validHeaders(names []string) bool {
	for i, s := range names {
		if s == "" || (i > 0 && names[i-1] >= s) {
			return false
		}
		if strings.ContainsFunc(s, func(c rune) bool { return !isHeaderRune(c) }) {
			return false
		}
	}
	return true
}

func isHeaderRune(c rune) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}
