package kit

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
	"time"
)

// CertificateEnd is when the first certificate of a PEM file ends. Zero: the file
// holds none that can be read; whoever uses it says so.
func CertificateEnd(file string) time.Time {
	rest, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}
	}
	for block, rest := pem.Decode(rest); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}
		}
		return c.NotAfter
	}
	return time.Time{}
}

// TokenEnd is when a token ends, if it is a JWT that says so; else zero. Nothing
// is verified: whom the token is for does that.
func TokenEnd(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Exp float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(b, &claims) != nil || claims.Exp <= 0 || claims.Exp > maxExp {
		return time.Time{}
	}
	return time.Unix(int64(claims.Exp), 0)
}

// maxExp is the end of the year 9999.
const maxExp = 253402300799
