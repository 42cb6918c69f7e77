package huawei_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

// message is a request to a gateway. Paths are below the project of Store,
// unless they start with /v.
type message struct {
	Method, Path, Body string
	Store              string              // default "a"
	Before, After      func(*http.Request) // it is signed
	Key, SK            string              // default: the gateway's
	Now                time.Time
}

type answer struct {
	Status    int
	Code, Msg string
	Header    http.Header
	Body      string
}

func (m message) request(t testing.TB, g *gatewaytest.Gateway) *http.Request {
	t.Helper()
	path := m.Path
	if !strings.HasPrefix(path, "/v") {
		path = "/v1/" + gatewaytest.Project(or(m.Store, "a")) + path
	}
	r, err := http.NewRequestWithContext(t.Context(), or(m.Method, http.MethodGet), g.Endpoint()+path, strings.NewReader(m.Body))
	must(t, err)
	r.Header.Set("User-Agent", "test")
	if m.Before != nil {
		m.Before(r)
	}
	now := m.Now
	if now.IsZero() {
		now = time.Now()
	}
	must(t, sdkhmac.Sign(r, []byte(m.Body), or(m.Key, g.AccessKey), secret.TextValue(or(m.SK, g.SecretKey)), now))
	if m.After != nil {
		m.After(r)
	}
	return r
}

func (m message) send(t testing.TB, g *gatewaytest.Gateway) answer {
	t.Helper()
	a := do(t, g, m.request(t, g))
	body := []byte(a.Body)
	if a.Status >= 400 {
		var e struct {
			Code  string `json:"error_code"`
			Msg   string `json:"error_msg"`
			Error struct {
				Code string `json:"error_code"`
				Msg  string `json:"error_msg"`
			} `json:"error"`
		}
		must(t, json.Unmarshal(body, &e))
		a.Code, a.Msg = or(e.Code, e.Error.Code), or(e.Msg, e.Error.Msg)
	}
	return a
}

func do(t testing.TB, g *gatewaytest.Gateway, r *http.Request) answer {
	t.Helper()
	resp, err := g.Client.Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return answer{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
}

func or(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// snapshot is all that a store holds, to prove that nothing changed.
func snapshot(t testing.TB, g *gatewaytest.Gateway, store string) string {
	t.Helper()
	c := gateway.Call{Caller: access.Local("test"), Op: "test"}
	page, err := g.Service.List(t.Context(), c, store, secret.Query{Limit: 1000})
	must(t, err)
	type state struct {
		Name              secret.Name
		Current, Previous secret.Ordinal
		Updated           time.Time
		Versions          int
	}
	var all []state
	for _, s := range page.Secrets {
		sec, err := g.Service.Describe(t.Context(), c, gateway.Ref{Store: store, Name: s.Name})
		must(t, err)
		all = append(all, state{sec.Name, sec.Current, sec.Previous, sec.Updated, len(sec.Versions)})
	}
	b, err := json.Marshal(all)
	must(t, err)
	return string(b)
}
