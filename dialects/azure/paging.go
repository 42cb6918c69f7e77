package azure

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/secret"
)

// maxPage is the service's default and its maximum.
const maxPage = 25

// pageSize reads maxresults; absent, it is the default.
func (q *request) pageSize() (int, error) {
	if !q.query.Has("maxresults") {
		return maxPage, nil
	}
	n, err := strconv.Atoi(param(q.query, "maxresults"))
	if err != nil || n < 1 || n > maxPage {
		return 0, unworded("maxresults", "not a number from 1 to %d", maxPage)
	}
	return n, nil
}

// pageOf returns a page of q's list. after is the key of its last item, empty
// on the last page. The link has the parameters in the service's order, and
// its dollar sign bare.
func pageOf[T wire.Appender](q *request, items []T, after string) page[T] {
	p := page[T]{Value: items}
	if items == nil {
		p.Value = []T{}
	}
	if after != "" {
		link := q.origin.link() + q.Path() + "?api-version=" + q.version.name + "&$skiptoken=" + skipToken(after)
		if n := param(q.query, "maxresults"); n != "" {
			link += "&maxresults=" + n
		}
		p.NextLink = &link
	}
	return p
}

// marker is what a skip token wraps. No client looks inside; the form is the
// service's all the same, so that nothing that stores or logs one trips.
type marker struct {
	NextMarker     string
	TargetLocation int
}

const endOfTime = "9999-12-31T23:59:59.9999999Z"

// skipToken encodes a position: "NAME" or "NAME/VERSION", upper-cased.
func skipToken(after string) string {
	key := "secret/" + strings.ToUpper(after)
	inner := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%06d!%s!%06d!%s!", len(key), key, len(endOfTime), endOfTime))
	inner = strings.ReplaceAll(inner, "=", "-")
	b, err := json.Marshal(marker{NextMarker: fmt.Sprintf("2!%d!%s", len(inner), inner)})
	if err != nil { // strings and a number always marshal
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// position returns the key in the request's skip token, lower-cased; empty if
// there is none.
func (q *request) position() (string, error) {
	if !q.query.Has("$skiptoken") {
		return "", nil
	}
	key, ok := readSkipToken(param(q.query, "$skiptoken"))
	if !ok {
		return "", unworded("$skiptoken", "not one that this vault gives out")
	}
	return key, nil
}

func readSkipToken(s string) (string, bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return "", false
	}
	var m marker
	if json.Unmarshal(b, &m) != nil {
		return "", false
	}
	parts := strings.Split(m.NextMarker, "!")
	if len(parts) != 3 {
		return "", false
	}
	inner, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(parts[2], "-", "="))
	if err != nil {
		return "", false
	}
	fields := strings.Split(string(inner), "!")
	if len(fields) < 2 {
		return "", false
	}
	key, ok := strings.CutPrefix(fields[1], "secret/")
	return strings.ToLower(key), ok && key != ""
}

// after is the store's name at a list's position: in the folder, whatever a
// forged token says.
func (q *request) after(key string) (secret.Name, error) {
	if key == "" {
		return "", nil
	}
	name, err := q.model(key)
	if err != nil {
		return "", unworded("$skiptoken", "not one that this vault gives out")
	}
	return name, nil
}
