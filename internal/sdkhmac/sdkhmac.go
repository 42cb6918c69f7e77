// Package sdkhmac verifies HTTP requests signed with Huawei Cloud's
// SDK-HMAC-SHA256 or its derived form V11-HMAC-SHA256, and signs with the
// former.
//
// The scheme signs the method, the path, the query, the headers that the
// client chose to name and the body's hash: under the access key's secret
// itself, or under a key derived from it for a day, a region and a service.
// There is no replay protection beyond the clock window. The date is always a
// header; one in the query is not looked for.
package sdkhmac

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// The first words of Authorization headers.
const (
	Algorithm        = "SDK-HMAC-SHA256"
	DerivedAlgorithm = "V11-HMAC-SHA256"
)

// Window is how far a request's date may be from the verifier's clock.
const Window = 15 * time.Minute

// Headers of the scheme.
const (
	HeaderDate   = "X-Sdk-Date"
	HeaderSHA256 = "X-Sdk-Content-Sha256"
)

// UnsignedPayload stands in HeaderSHA256 where the client left the body out.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

const (
	dateLayout = "20060102T150405Z"
	signedDate = "x-sdk-date" // HeaderDate among signed headers
)

// Why a request is refused. Match them with errors.Is.
var (
	ErrAlgorithm = errors.New("sdkhmac: signed with neither " + Algorithm + " nor " + DerivedAlgorithm)
	ErrMalformed = errors.New("sdkhmac: malformed Authorization header")
	ErrRequest   = errors.New("sdkhmac: the request cannot be what was signed")
	ErrDate      = errors.New("sdkhmac: the date is missing, malformed or outside of the window")
	ErrSignature = errors.New("sdkhmac: the signature does not match")
)

// Verify checks that r, with the given body, was signed with sk at most Window
// ago. a is the parsed Authorization header of r. Exactly the headers that a
// names are trusted: any other may have been added on the way.
//
// A body left unsigned by the client passes; ask Unsigned where that matters.
func Verify(r *http.Request, body []byte, a Authorization, sk secret.Value, now time.Time) error {
	date, err := CheckDate(r.Header, a, now)
	if err != nil {
		return err
	}
	payload, err := payloadOf(r.Header, body)
	if err != nil {
		return err
	}
	return verify(r, payload, date, a, sk)
}

// VerifyClaim is Verify where the client says the body's hash, before the body
// is read. Whether the body has that hash is for the caller to see.
func VerifyClaim(r *http.Request, a Authorization, sk secret.Value, now time.Time) error {
	date, err := CheckDate(r.Header, a, now)
	if err != nil {
		return err
	}
	claim, ok, err := Claim(r.Header)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("%w: there is no %s", ErrRequest, HeaderSHA256)
	}
	return verify(r, claim, date, a, sk)
}

func verify(r *http.Request, payload, date string, a Authorization, sk secret.Value) error {
	canonical, err := canonicalHash(r, payload, a.SignedHeaders)
	if err != nil {
		return err
	}
	if sk.Len() == 0 {
		return ErrSignature
	}
	mac, err := a.mac(sk, date, canonical)
	if err == nil && !hmac.Equal(a.Signature[:], mac) {
		err = ErrSignature
	}
	return err
}

// CheckDate checks what of a can be checked without the body or the secret,
// and returns the date as the client wrote it.
func CheckDate(h http.Header, a Authorization, now time.Time) (string, error) {
	if !slices.Contains(a.SignedHeaders, signedDate) {
		return "", fmt.Errorf("%w: it is not signed", ErrDate)
	}
	dates := h.Values(HeaderDate)
	if len(dates) != 1 {
		return "", fmt.Errorf("%w: %d dates", ErrDate, len(dates))
	}
	t, err := time.Parse(dateLayout, dates[0])
	switch {
	case err != nil || len(dates[0]) != len(dateLayout): // Parse takes fractions of a second
		return "", fmt.Errorf("%w: not of the form %s", ErrDate, dateLayout)
	case now.Sub(t).Abs() > Window:
		return "", fmt.Errorf("%w: more than %s from now", ErrDate, Window)
	case a.Scope != "" && !strings.HasPrefix(dates[0], a.Scope[:len("20060102")]):
		return "", fmt.Errorf("%w: the key was derived for another day", ErrDate)
	}
	return dates[0], nil
}

// Unsigned reports whether the signature of r leaves the body out.
func Unsigned(r *http.Request) bool { return r.Header.Get(HeaderSHA256) == UnsignedPayload }

// Sign signs r, whose body is the given bytes, with the key id and its secret:
// it sets X-Sdk-Date, unless it is set, and Authorization. All headers of r are
// signed, except those that transports change: Content-Type, and names with
// an underscore. r.Host is signed only where r has a Host header.
func Sign(r *http.Request, body []byte, id string, sk secret.Value, now time.Time) error {
	if r.Header.Get(HeaderDate) == "" {
		r.Header.Set(HeaderDate, now.UTC().Format(dateLayout))
	}
	r.Header.Del("Authorization")
	a := Authorization{Access: id, SignedHeaders: headersToSign(r.Header)}
	payload, err := payloadOf(r.Header, body)
	if err != nil {
		return err
	}
	canonical, err := canonicalHash(r, payload, a.SignedHeaders)
	if err != nil {
		return err
	}
	mac, err := a.mac(sk, r.Header.Get(HeaderDate), canonical)
	if err != nil {
		return err
	}
	a.Signature = [sha256.Size]byte(mac)
	r.Header.Set("Authorization", a.String())
	return nil
}

func headersToSign(h http.Header) []string {
	var names []string
	for k := range h {
		k = strings.ToLower(k)
		if !strings.HasPrefix(k, "content-type") && !strings.Contains(k, "_") {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

// mac returns what a.Signature has to be.
func (a Authorization) mac(sk secret.Value, date string, canonical [sha256.Size]byte) ([]byte, error) {
	key := sk.Reveal()
	text := append(make([]byte, 0, 256), a.Algorithm()...)
	text = append(append(text, '\n'), date...)
	if a.Scope != "" {
		derived, err := hkdf.Key(sha256.New, key, []byte(a.Access), a.Scope, sha256.Size)
		if err != nil {
			return nil, err
		}
		key = hex.AppendEncode(nil, derived) // the key is the text of the digits
		text = append(append(text, '\n'), a.Scope...)
	}
	text = hex.AppendEncode(append(text, '\n'), canonical[:])
	h := hmac.New(sha256.New, key)
	_, _ = h.Write(text)
	return h.Sum(text[:0]), nil
}
