package wire

import (
	"net/http"
	"net/url"
)

// WithPath is r at another path, which is encoded; a path that cannot be
// decoded changes nothing. r itself stays as it is.
func WithPath(r *http.Request, escaped string) *http.Request {
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		return r
	}
	u := *r.URL
	u.Path, u.RawPath = plain, escaped
	r = r.WithContext(r.Context())
	r.URL = &u
	return r
}
