package huawei

import (
	"net/url"
	"strconv"

	"github.com/vaultferry/vaultferry/secret"
)

type page struct {
	limit  int
	marker string // exclusive; empty: from the start
	event  string
}

// Pages hold 50 items unless the client says otherwise.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

func parsePage(r *request) (page, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return page{}, secret.Errorf(secret.Invalid, "the query is malformed")
	}
	for _, k := range []string{"limit", "marker", "event_name"} {
		if len(values[k]) > 1 {
			return page{}, secret.Errorf(secret.Invalid, "%s is given twice", k)
		}
	}
	p := page{limit: defaultLimit, marker: values.Get("marker"), event: values.Get("event_name")}
	if s := values.Get("limit"); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil || n < 1 || n > maxLimit {
			return page{}, secret.Errorf(secret.Invalid, "limit is not between 1 and %d", maxLimit)
		}
		p.limit = int(n)
	}
	return p, nil
}

type pageInfo struct {
	NextMarker     *string `json:"next_marker"` // null on the last page; "" would start anew
	PreviousMarker *string `json:"previous_marker"`
	CurrentCount   int     `json:"current_count"`
}

// pageOf describes a page: the next marker is the last item, and absent where
// no more follow.
func pageOf[T any](items []T, more bool, id func(T) string) pageInfo {
	p := pageInfo{CurrentCount: len(items)}
	if more && len(items) > 0 {
		last := id(items[len(items)-1])
		p.NextMarker = &last
	}
	return p
}
