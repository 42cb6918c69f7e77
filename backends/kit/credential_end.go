package kit

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/internal/pemfile"
)

// CertificateEnd is when the first certificate of a PEM file ends. Zero: the file
// holds none that can be read; whoever uses it says so.
func CertificateEnd(file string) time.Time {
	all, err := pemfile.Certificates(file)
	if err != nil || len(all) == 0 {
		return time.Time{}
	}
	return all[0].NotAfter
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
