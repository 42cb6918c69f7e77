// Package sdkhmac signs and verifies HTTP requests with Huawei Cloud's
// SDK-HMAC-SHA256.
//
// The scheme signs the method, the path, the query, the headers that the
// client chose to name and the body's hash, under the access key's secret
// itself. There is no scope and no replay protection beyond the clock window.
package sdkhmac

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Algorithm is the first word of the Authorization header.
const Algorithm = "SDK-HMAC-SHA256"

// Window is how far a request's date may be from the verifier's clock.
const Window = 15 * time.Minute

// Headers of the scheme.
const (
	HeaderDate   = "X-Sdk-Date"
	HeaderSHA256 = "X-Sdk-Content-Sha256"
)

// UnsignedPayload stands in HeaderSHA256 where the client left the body out.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

const dateLayout = "20060102T150405Z"

// Why a request is refused. Match them with errors.Is.
var (
	ErrAlgorithm = errors.New("sdkhmac: not signed with " + Algorithm)
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
	canonical, err := canonicalRequest(r, body, a.SignedHeaders)
	if err != nil {
		return err
	}
	if sk.Len() == 0 || !hmac.Equal(a.Signature[:], sign(sk, date, canonical)) {
		return ErrSignature
	}
	return nil
}

// CheckDate checks what of a can be checked without the body or the secret,
// and returns the date as the client wrote it.
func CheckDate(h http.Header, a Authorization, now time.Time) (string, error) {
	if !slices.Contains(a.SignedHeaders, strings.ToLower(HeaderDate)) {
		return "", fmt.Errorf("%w: it is not signed", ErrDate)
	}
	dates := h.Values(HeaderDate)
	if len(dates) != 1 {
		return "", fmt.Errorf("%w: %d dates", ErrDate, len(dates))
	}
	t, err := time.Parse(dateLayout, dates[0])
	if err != nil || t.Format(dateLayout) != dates[0] {
		return "", fmt.Errorf("%w: not of the form %s", ErrDate, dateLayout)
	}
	if now.Sub(t).Abs() > Window {
		return "", fmt.Errorf("%w: more than %s from now", ErrDate, Window)
	}
	return dates[0], nil
}

// Unsigned reports whether the signature of r leaves the body out.
func Unsigned(r *http.Request) bool { return r.Header.Get(HeaderSHA256) == UnsignedPayload }

// Sign signs r, whose body is the given bytes, with the key id and its secret:
// it sets X-Sdk-Date, unless it is set, and Authorization. All headers of r are
// signed, except those that transports change: Content-Type, and names with
// an underscore. The host is signed only where r has a Host header.
func Sign(r *http.Request, body []byte, id string, sk secret.Value, now time.Time) error {
	if r.Header.Get(HeaderDate) == "" {
		r.Header.Set(HeaderDate, now.UTC().Format(dateLayout))
	}
	r.Header.Del("Authorization")
	a := Authorization{Access: id, SignedHeaders: headersToSign(r.Header)}
	canonical, err := canonicalRequest(r, body, a.SignedHeaders)
	if err != nil {
		return err
	}
	a.Signature = [sha256.Size]byte(sign(sk, r.Header.Get(HeaderDate), canonical))
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

// sign returns the MAC of a canonical request.
func sign(sk secret.Value, date, canonical string) []byte {
	sum := sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, sk.Reveal())
	_, _ = fmt.Fprintf(mac, "%s\n%s\n%x", Algorithm, date, sum)
	return mac.Sum(nil)
}

// headerValue returns the one value of a signed header. Two lines of one name
// are refused: a client signs one of them, and a handler might read the other.
func headerValue(r *http.Request, name string) (string, error) {
	values := r.Header[textproto.CanonicalMIMEHeaderKey(name)]
	if name == "host" && len(values) == 0 {
		values = []string{r.Host} // where net/http keeps it
	}
	if len(values) != 1 {
		return "", fmt.Errorf("%w: %d lines of the signed header %s", ErrRequest, len(values), name)
	}
	return strings.TrimSpace(values[0]), nil
}
