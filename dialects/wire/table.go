package wire

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// Segments is how an API reads a path: what stands between its slashes, still
// encoded.
type Segments func(method, escaped string) []string

// asSent is how most read one. A path that begins with no slash has none.
func asSent(_, escaped string) []string {
	rest, ok := strings.CutPrefix(escaped, "/")
	if !ok {
		return nil
	}
	return strings.Split(rest, "/")
}

// table serves routes by comparing segments. Of two routes that match, the
// earlier one wins.
type table struct {
	segments Segments
	routes   map[int][]tableRoute // by how many segments their paths have
	wrong    *endpoint            // where a path is known, and a method is not
	none     *endpoint
}

type tableRoute struct {
	method   string
	segments []string
	*endpoint
}

func newTable(routes []Route, segments Segments, serve func(*Route) *endpoint) *table {
	t := &table{segments: segments, routes: map[int][]tableRoute{}}
	for i := range routes {
		r := &routes[i]
		path := asSent(r.Method, r.Path)
		t.routes[len(path)] = append(t.routes[len(path)], tableRoute{r.Method, path, serve(r)})
	}
	t.wrong = serve(&Route{Handle: func(*Request) (Reply, error) {
		return Reply{}, &secret.Error{Kind: secret.Invalid, Detail: "method: not one that the path takes", Err: ErrMethod}
	}})
	t.none = serve(&Route{Handle: func(*Request) (Reply, error) {
		return Reply{}, &secret.Error{Kind: secret.NotFound, Detail: "path: not one that is served", Err: ErrNoRoute}
	}})
	return t
}

func (t *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := t.segments(r.Method, r.URL.EscapedPath())
	var wrong *tableRoute
	routes := t.routes[len(path)]
	for i := range routes {
		switch each := &routes[i]; {
		case !each.matches(path):
		case each.method == r.Method:
			each.serve(w, r, path, each.vars(path))
			return
		case wrong == nil:
			wrong = each
		}
	}
	if wrong != nil {
		t.wrong.serve(w, r, path, wrong.vars(path))
		return
	}
	t.none.serve(w, r, path, nil)
}

// variable returns the name in "{name}". It stands for one segment that is not
// empty.
func variable(segment string) (name string, ok bool) {
	if !strings.HasPrefix(segment, "{") {
		return "", false
	}
	return segment[1 : len(segment)-1], true
}

func (r *tableRoute) matches(path []string) bool {
	for i, want := range r.segments {
		if path[i] == want {
			continue
		}
		if _, free := variable(want); !free || path[i] == "" {
			return false
		}
	}
	return true
}

// vars decodes the variables of a path that matches.
func (r *tableRoute) vars(path []string) map[string]string {
	var vars map[string]string
	for i, s := range r.segments {
		name, ok := variable(s)
		if !ok {
			continue
		}
		if vars == nil {
			vars = map[string]string{}
		}
		vars[name] = path[i]
		if plain, err := url.PathUnescape(path[i]); err == nil {
			vars[name] = plain
		}
	}
	return vars
}
