package e2e

import (
	"net/http"
	"testing"
	"time"
)

// asked is how a row's request is made.
type asked = func(t *testing.T) *http.Request

// boundRows are credentials that have ended, or are used from elsewhere; beside
// each that is, a wrong one, which is to be answered alike.
func (x *bounded) boundRows(t *testing.T, near issued) []refusedRow {
	t.Helper()
	from := x.at(t, faraway)
	var rows []refusedRow
	add := func(name string, ask asked) { rows = append(rows, refusedRow{name: name, ask: ask, client: from}) }
	azure := func(name, token string) {
		add("azure: "+name, func(t *testing.T) *http.Request { return x.azure(t, token) })
	}
	huawei := func(name, token string) {
		add("huawei: "+name, func(t *testing.T) *http.Request { return x.huawei(t, token) })
	}
	for _, name := range []string{"ended", "near", "both", "unknown"} {
		azure("a token, "+name, text(name))
		huawei("a token, "+name, text(name))
	}
	azure("a login token of a client nearby", near.login)
	huawei("a login token of a client nearby", near.login)
	huawei("a token of IAM of a user nearby", near.iam)
	signed := func(name, id, sk string) {
		add("huawei: "+name, func(t *testing.T) *http.Request { return x.signed(t, id, sk) })
	}
	signed("a key, ended", "AKENDED", text("ended"))
	signed("a key, ended, and a wrong secret", "AKENDED", text("wrong"))
	signed("a key, near", "AKNEAR", text("near"))
	signed("a key, near, and a wrong secret", "AKNEAR", text("wrong"))
	signed("a key, both", "AKBOTH", text("both"))
	signed("a weak key, near", "AKWEAK", "password")
	signed("a weak key, near, and a wrong secret", "AKWEAK", "passwore")
	add("huawei: a temporary key of a user nearby", func(t *testing.T) *http.Request { return x.temporary(t, near) })
	login := func(name, client, secret string) {
		add("login: "+name, func(t *testing.T) *http.Request { return x.login(t, client, secret) })
	}
	login("a client, near", "near", text("near"))
	login("a client, near, and a wrong secret", "near", text("wrong"))
	login("a client, both", "both", text("both"))
	login("a client, ended", "ended", text("ended"))
	login("a client, ended, and a wrong secret", "ended", text("wrong"))
	iam := func(name, path, identity string) {
		add("iam: "+name, func(t *testing.T) *http.Request { return x.iam(t, path, identity) })
	}
	iam("a user, near", iamTokens, password("near", text("near")))
	iam("a user, near, and a wrong password", iamTokens, password("near", text("wrong")))
	iam("a user, ended", iamTokens, password("ended", text("ended")))
	iam("a user, both", iamTokens, password("both", text("both")))
	iam("a key, near", iamTokens, keyPair("AKNEAR", text("near")))
	iam("a key, ended", iamTokens, keyPair("AKENDED", text("ended")))
	iam("a token, near, for another", iamTokens, byToken(text("near")))
	iam("a token, ended, for another", iamTokens, byToken(text("ended")))
	iam("a login token, near, for another", iamTokens, byToken(near.login))
	iam("a token of IAM, near, for another", iamTokens, byToken(near.iam))
	iam("a token of IAM, near, for a temporary key", iamKeys, byToken(near.iam))
	add("iam: projects of a token, near", func(t *testing.T) *http.Request {
		r := newRequest(t, http.MethodGet, x.Endpoint()+"/v3/projects", "")
		r.Header.Set("X-Auth-Token", text("near"))
		return r
	})
	return rows
}

// claims of a certificate that nobody showed.
var claims = []string{"X-Client-Cert", "X-Forwarded-Client-Cert", "X-Forwarded-Tls-Client-Cert", "X-Arr-Clientcert", "Ssl-Client-Cert", "Client-Cert", "X-Ssl-Client-S-Dn"}

func claim(r *http.Request) *http.Request {
	for _, h := range claims {
		r.Header.Set(h, spiffeID)
	}
	return r
}

// certificateRows are certificates that prove nobody, or somebody else.
func (x *bounded) certificateRows(t *testing.T) []refusedRow {
	t.Helper()
	app, other := x.at(t, faraway, spiffeID), x.at(t, faraway, "other.corp.example")
	two := x.at(t, faraway, spiffeID, "other.corp.example")
	rows := []refusedRow{
		{"azure: a certificate in headers", func(t *testing.T) *http.Request { return claim(x.azure(t, "")) }, nil},
		{"huawei: a certificate in headers", func(t *testing.T) *http.Request { return claim(x.huawei(t, "")) }, nil},
		{"azure: a caller's certificate, and another's token", func(t *testing.T) *http.Request { return x.azure(t, text("other")) }, app},
		{"huawei: a caller's certificate, and another's token", func(t *testing.T) *http.Request { return x.huawei(t, text("other")) }, app},
		{"huawei: a caller's certificate, and another's signature", func(t *testing.T) *http.Request { return x.signed(t, "AKOTHER", text("other")) }, app},
		{"azure: a caller's certificate, and a wrong token", func(t *testing.T) *http.Request { return x.azure(t, text("unknown too")) }, app},
		{"huawei: a caller's certificate, and a wrong token", func(t *testing.T) *http.Request { return x.huawei(t, text("unknown too")) }, app},
		{"azure: a caller's certificate, and another scheme", func(t *testing.T) *http.Request {
			r := x.azure(t, "")
			r.SetBasicAuth("app", "x")
			return r
		}, app},
		{"azure: a certificate, and no body yet", func(t *testing.T) *http.Request {
			return newRequest(t, http.MethodPut, x.VaultURL("main")+"/secrets/db?api-version=7.4", "")
		}, app},
		{"azure: a certificate of two callers, and a token", func(t *testing.T) *http.Request { return x.azure(t, x.Token) }, two},
		{"huawei: a certificate of two callers, and a token", func(t *testing.T) *http.Request { return x.huawei(t, x.Token) }, two},
		{"login: a client, and another's certificate", func(t *testing.T) *http.Request { return x.login(t, "soon", text("soon")) }, other},
		{"iam: a user, and another's certificate", func(t *testing.T) *http.Request {
			return x.iam(t, iamTokens, password("soon", text("soon")))
		}, other},
	}
	for name, h := range map[string][2]string{
		"another site's page": {"Origin", "https://evil.example"}, "its own page": {"Origin", x.VaultURL("main")}, "a page without an origin": {"Origin", "null"},
		"a link of another site": {"Sec-Fetch-Site", "cross-site"}, "a site beside": {"Sec-Fetch-Site", "same-site"}, "two sites": {"Sec-Fetch-Site", "none, cross-site"},
	} {
		by := func(r *http.Request) *http.Request {
			r.Header.Set(h[0], h[1])
			return r
		}
		rows = append(rows,
			refusedRow{"azure: a certificate alone, by " + name, func(t *testing.T) *http.Request { return by(x.azure(t, "")) }, app},
			refusedRow{"huawei: a certificate alone, by " + name, func(t *testing.T) *http.Request { return by(x.huawei(t, "")) }, app})
	}
	for name, client := range map[string]*http.Client{
		"of nobody": x.at(t, faraway, "nobody.corp.example"), "ended": x.at(t, faraway, "ended.corp.example"),
		"near": x.at(t, faraway, "near.corp.example"), "of two callers": two, "with a SPIFFE id too many": x.at(t, faraway, spiffeID, "spiffe://corp.example/x"),
	} {
		rows = append(rows,
			refusedRow{"azure: a certificate, " + name, func(t *testing.T) *http.Request { return x.azure(t, "") }, client},
			refusedRow{"huawei: a certificate, " + name, func(t *testing.T) *http.Request { return x.huawei(t, "") }, client})
	}
	return inOrder(rows)
}

// limitRows are of a caller who has used up his rate.
func (x *bounded) limitRows(t *testing.T) []refusedRow {
	t.Helper()
	answered(t, x.Client, x.azure(t, text("busy")), nil)
	return []refusedRow{
		{"azure: a request too many", func(t *testing.T) *http.Request { return x.azure(t, text("busy")) }, nil},
		{"huawei: a request too many", func(t *testing.T) *http.Request { return x.huawei(t, text("busy")) }, nil},
		{"login: a request too many", func(t *testing.T) *http.Request { return x.login(t, "busy", text("busy")) }, nil},
		{"iam: a request too many", func(t *testing.T) *http.Request { return x.iam(t, iamTokens, password("busy", text("busy"))) }, nil},
	}
}

// laterRows are for when the client called soon has ended, and then a certificate
// in the middle of its connection.
func (x *bounded) laterRows(t *testing.T, soon issued) []refusedRow {
	t.Helper()
	mid := x.at(t, faraway, spiffeID)
	answered(t, mid, x.azure(t, ""), nil)
	answered(t, mid, x.huawei(t, ""), nil)
	var rows []refusedRow
	after := func(d time.Duration, name string, client *http.Client, ask asked) {
		rows = append(rows, refusedRow{name: name, client: client, ask: func(t *testing.T) *http.Request {
			x.ahead.Store(int64(d))
			return ask(t)
		}})
	}
	const half, hour = 31 * time.Minute, 61 * time.Minute
	after(half, "azure: a login token whose client has ended", nil, func(t *testing.T) *http.Request { return x.azure(t, soon.login) })
	after(half, "huawei: a login token whose client has ended", nil, func(t *testing.T) *http.Request { return x.huawei(t, soon.login) })
	after(half, "huawei: a token of IAM whose user has ended", nil, func(t *testing.T) *http.Request { return x.huawei(t, soon.iam) })
	after(half, "huawei: a temporary key whose user has ended", nil, func(t *testing.T) *http.Request { return x.temporary(t, soon) })
	after(half, "login: a client that has ended meanwhile", nil, func(t *testing.T) *http.Request { return x.login(t, "soon", text("soon")) })
	after(half, "iam: a user that has ended meanwhile", nil, func(t *testing.T) *http.Request {
		return x.iam(t, iamTokens, password("soon", text("soon")))
	})
	after(hour, "azure: a certificate that ends in mid-connection", mid, func(t *testing.T) *http.Request { return x.azure(t, "") })
	after(hour, "huawei: a certificate that ends in mid-connection", mid, func(t *testing.T) *http.Request { return x.huawei(t, "") })
	after(hour, "azure: the same, and a token", mid, func(t *testing.T) *http.Request { return x.azure(t, x.Token) })
	after(hour, "huawei: the same, and a token", mid, func(t *testing.T) *http.Request { return x.huawei(t, x.Token) })
	after(hour, "huawei: the same, and a signature", mid, func(t *testing.T) *http.Request { return x.signed(t, x.AccessKey, x.SecretKey) })
	return rows
}

// TestElsewhereIsAsWrong: who has a credential that is for use elsewhere learns
// nothing by it: he is answered as one who guesses.
func TestElsewhereIsAsWrong(t *testing.T) {
	t.Parallel()
	x := newBounded(t)
	from := [2]*http.Client{x.at(t, "127.0.0.3"), x.at(t, "127.0.0.4")} // whose failures are counted apart
	for name, pair := range map[string][2]asked{
		"azure":  {func(t *testing.T) *http.Request { return x.azure(t, text("near")) }, func(t *testing.T) *http.Request { return x.azure(t, text("wrong")) }},
		"huawei": {func(t *testing.T) *http.Request { return x.huawei(t, text("near")) }, func(t *testing.T) *http.Request { return x.huawei(t, text("wrong")) }},
		"key": {
			func(t *testing.T) *http.Request { return x.signed(t, "AKNEAR", text("near")) },
			func(t *testing.T) *http.Request { return x.signed(t, "AKNEAR", text("wrong")) },
		},
		"weak key": {
			func(t *testing.T) *http.Request { return x.signed(t, "AKWEAK", "password") },
			func(t *testing.T) *http.Request { return x.signed(t, "AKWEAK", "passwore") },
		},
		"login": {
			func(t *testing.T) *http.Request { return x.login(t, "near", text("near")) },
			func(t *testing.T) *http.Request { return x.login(t, "near", text("wrong")) },
		},
		"iam": {
			func(t *testing.T) *http.Request { return x.iam(t, iamTokens, password("near", text("near"))) },
			func(t *testing.T) *http.Request { return x.iam(t, iamTokens, password("near", text("wrong"))) },
		},
	} {
		for range 8 { // locked after some, and alike then, too
			var said [2]string
			for i, ask := range pair {
				said[i] = answerOf(t, from[i], ask(t))
			}
			if said[0] != said[1] {
				t.Errorf("%s: %s, but a wrong one %s", name, said[0], said[1])
			}
		}
	}
	if status, _, _, _ := ask(t, x.Gateway, x.VaultURL("main")+"/secrets?api-version=7.4", "Authorization", "Bearer "+x.Token); status != http.StatusOK {
		t.Errorf("an honest client: %d", status)
	}
	answered(t, x.at(t, nearby), x.azure(t, text("near")), nil)
	answered(t, x.at(t, nearby), x.signed(t, "AKNEAR", text("near")), nil)
}
