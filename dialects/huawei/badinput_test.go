package huawei_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/sdkhmac"
)

// TestBadInput: each bad request gets the vendor's answer and an audit line,
// and changes nothing.
func TestBadInput(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	for _, name := range []string{"taken", "other"} {
		if a := (message{Method: "POST", Path: "/secrets", Body: `{"name":"` + name + `","secret_string":"` + theValue + `"}`}).send(t, g); a.Status != 200 {
			t.Fatal(a)
		}
	}
	blob := backup(t, g, "taken")
	foreign := backup(t, func() *gatewaytest.Gateway {
		other := twoStores(t)
		(message{Method: "POST", Path: "/secrets", Body: `{"name":"foreign","secret_string":"x"}`}).send(t, other)
		return other
	}(), "foreign")
	cases := map[string][]badInput{
		"authentication": badAuthentication(g),
		"bodies":         badBodies(),
		"paths":          badPaths(),
		"changes":        badChanges(g),
		"tags":           badTags(t, g),
		"blobs":          badBlobs(t, blob, foreign),
		"events":         badEvents(t, g),
	}
	for group, list := range cases {
		t.Run(group, func(t *testing.T) { // in sequence: snapshots of one store
			for _, c := range list {
				t.Run(c.name, func(t *testing.T) { c.run(t, g) })
			}
		})
	}
	if a := (message{Path: "/csms/events"}).send(t, g); !strings.Contains(a.Body, `"current_count":1}`) {
		t.Errorf("the events are %s", a.Body)
	}
	if strings.Contains(g.Audit.Text(), theValue) {
		t.Error("the audit holds a value")
	}
}

// theValue is looked for where no value may be.
const theValue = "correct horse battery staple"

type badInput struct {
	name   string
	m      message
	status int
	code   string
	says   string
}

func (c badInput) run(t *testing.T, g *gatewaytest.Gateway) {
	before := snapshot(t, g, "a") + snapshot(t, g, "b")
	lines := len(g.Audit.Entries(t))
	a := c.m.send(t, g)
	if a.Status != c.status || a.Code != c.code || !strings.Contains(a.Msg, c.says) {
		t.Errorf("got %d %s %s, want %d %s ...%s", a.Status, a.Code, a.Msg, c.status, c.code, c.says)
	}
	if a.Header.Get("X-Request-Id") == "" || strings.Contains(a.Body, theValue) {
		t.Error("no request id, or a value in the answer")
	}
	entries := g.Audit.Entries(t)[lines:]
	if len(entries) == 0 || entries[len(entries)-1].Phase != audit.Outcome || entries[len(entries)-1].Result == "ok" ||
		entries[len(entries)-1].RequestID != a.Header.Get("X-Request-Id") {
		t.Error("no audit line of the refusal")
	}
	if after := snapshot(t, g, "a") + snapshot(t, g, "b"); after != before {
		t.Errorf("the stores changed:\n%s\n%s", before, after)
	}
	if ok := (message{Path: "/secrets"}).send(t, g); ok.Status != 200 {
		t.Fatalf("a good request afterwards: %d %s", ok.Status, ok.Msg)
	}
}

func badAuthentication(g *gatewaytest.Gateway) []badInput {
	const code = "APIGW.0301"
	get := message{Path: "/secrets/taken/versions/latest"}
	with := func(edit func(*message)) message { m := get; edit(&m); return m }
	set := func(k, v string) message {
		return with(func(m *message) { m.After = func(r *http.Request) { r.Header.Set(k, v) } })
	}
	return []badInput{
		{"nothing", with(func(m *message) { m.After = func(r *http.Request) { r.Header.Del("Authorization") } }), 401, code, "x-auth-token not found"},
		{"wrong token", with(func(m *message) {
			m.After = func(r *http.Request) { r.Header.Del("Authorization"); r.Header.Set("X-Auth-Token", "wrong") }
		}), 401, code, "decrypt token fail"},
		{"two tokens", with(func(m *message) {
			m.After = func(r *http.Request) {
				r.Header.Del("Authorization")
				r.Header["X-Auth-Token"] = []string{g.Token, g.Token}
			}
		}), 401, code, "decrypt token fail"},
		{"right token, wrong signature", with(func(m *message) {
			m.SK = "wrong"
			m.Before = func(r *http.Request) { r.Header.Set("X-Auth-Token", g.Token) }
		}), 401, code, "verify aksk signature fail"},
		{"wrong secret", with(func(m *message) { m.SK = "wrong" }), 401, code, "verify aksk signature fail"},
		{"unknown key", with(func(m *message) { m.Key = "AKUNKNOWN" }), 401, code, "ak not exist"},
		{"bearer", set("Authorization", "Bearer "+g.Token), 401, code, "the algorithm must be"},
		{"other algorithm", set("Authorization", "SDK-HMAC-SM3 Access=x, SignedHeaders=x-sdk-date, Signature=00"), 401, code, "the algorithm must be"},
		{"malformed", set("Authorization", sdkhmac.Algorithm+" Access=x"), 401, code, "malformed"},
		{"two authorizations", with(func(m *message) {
			m.After = func(r *http.Request) { r.Header.Add("Authorization", "Bearer x") }
		}), 401, code, "more than one"},
		{"stale date", with(func(m *message) { m.Now = time.Now().Add(-16 * time.Minute) }), 401, code, "15 minutes"},
		{"early date", with(func(m *message) { m.Now = time.Now().Add(16 * time.Minute) }), 401, code, "15 minutes"},
		{"another path", with(func(m *message) { m.After = func(r *http.Request) { r.URL.Path += "x" } }), 401, code, "does not match"},
		{"another query", with(func(m *message) { m.After = func(r *http.Request) { r.URL.RawQuery = "limit=1" } }), 401, code, "does not match"},
		{"another method", with(func(m *message) { m.After = func(r *http.Request) { r.Method = "PUT" } }), 401, code, "does not match"},
		{"another body", message{Method: "POST", Path: "/secrets", Body: `{"name":"n","secret_string":"x"}`, After: func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(`{"name":"n","secret_string":"y"}`))
		}}, 401, code, "does not match"},
		{"unsigned body", message{Method: "POST", Path: "/secrets", Body: `{"name":"n","secret_string":"x"}`, Before: func(r *http.Request) {
			r.Header.Set(sdkhmac.HeaderSHA256, sdkhmac.UnsignedPayload)
		}}, 401, code, "the body must be signed"},
		{"another project", message{Path: "/v1/0605767fcd80d5762fdbc0189dexampl/secrets"}, 403, "CSMS.0302", "no such project"},
	}
}

func badBodies() []badInput {
	create := func(name, body string, code string, says string) badInput {
		return badInput{"create/" + name, message{Method: "POST", Path: "/secrets", Body: body}, 400, code, says}
	}
	version := func(name, body string, code string, says string) badInput {
		return badInput{"version/" + name, message{Method: "POST", Path: "/secrets/taken/versions", Body: body}, 400, code, says}
	}
	const param, format = "CSMS.0002", "CSMS.0004"
	text := func(n int) string { return strings.Repeat("x", n) }
	return []badInput{
		create("empty", "", format, "empty"),
		create("cut", `{"name":"n","secret_string":"`+theValue, format, ""),
		create("array", `[]`, format, ""),
		create("null", `null`, format, ""),
		create("two objects", `{"name":"n","secret_string":"x"}{}`, format, ""),
		create("unknown member", `{"name":"n","secret_string":"x","tags":[]}`, format, "does not know"),
		create("other case", `{"Name":"n","secret_string":"x"}`, format, "does not know"),
		create("member twice", `{"name":"n","secret_string":"x","secret_string":"y"}`, format, "twice"),
		create("number", `{"name":"n","secret_string":123456789}`, format, ""),
		create("not UTF-8", "{\"name\":\"n\",\"secret_string\":\"\xff\"}", format, "UTF-8"),
		create("half a surrogate", `{"name":"n","secret_string":"\ud800"}`, format, "surrogate"),
		create("halves swapped", `{"name":"n","secret_string":"\udc00\ud800"}`, format, "surrogate"),
		create("no name", `{"secret_string":"x"}`, param, ""),
		create("slash", `{"name":"a/b","secret_string":"x"}`, param, "not a valid CSMS name"),
		create("long name", `{"name":"`+text(65)+`","secret_string":"x"}`, param, ""),
		create("no value", `{"name":"n"}`, param, "exactly one"),
		create("null value", `{"name":"n","secret_string":null}`, param, "exactly one"),
		create("both values", `{"name":"n","secret_string":"x","secret_binary":"eA=="}`, param, "exactly one"),
		create("large", `{"name":"n","secret_string":"`+text(32769)+`"}`, param, "32768"),
		create("large binary", `{"name":"n","secret_binary":"`+text(32772)+`"}`, param, "32768"),
		create("base64url", `{"name":"n","secret_binary":"_-8="}`, param, "base64"),
		create("unpadded", `{"name":"n","secret_binary":"eA"}`, param, "base64"),
		create("line break", `{"name":"n","secret_binary":"eA=\n="}`, param, "base64"),
		create("loose bits", `{"name":"n","secret_binary":"eB=="}`, param, "base64"),
		create("description", `{"name":"n","secret_string":"x","description":"`+text(2049)+`"}`, param, "2048"),
		create("type", `{"name":"n","secret_string":"x","secret_type":"RDS-FG"}`, param, "COMMON"),
		create("rotation", `{"name":"n","secret_string":"x","auto_rotation":true}`, param, "rotation"),
		create("events", `{"name":"n","secret_string":"x","event_subscriptions":["ev"]}`, param, "does not exist"),
		create("key", `{"name":"n","secret_string":"x","kms_key_id":"{b168fe00-ff56-4924-95a7-d22974df2d0b"}`, param, "UUID"),
		create("project", `{"name":"n","secret_string":"x","enterprise_project_id":"`+text(37)+`"}`, param, "36"),
		create("taken", `{"name":"taken","secret_string":"x"}`, "CSMS.0101", "already exists"),
		{"create/over the limit", message{Method: "POST", Path: "/secrets", Body: text(1<<20 + 1)}, 413, "APIGW.0201", "too large"},
		version("no value", `{}`, param, "exactly one"),
		version("stages empty", `{"secret_string":"x","version_stages":[]}`, param, "1 to 12"),
		version("too many stages", `{"secret_string":"x","version_stages":["a","b","c","d","e","f","g","h","i","j","k","l","m"]}`, "CSMS.0204", "quota"),
		version("too many with the roles", `{"secret_string":"x","version_stages":["a","b","c","d","e","f","g","h","i","j","k"]}`, "CSMS.0203", "upper limit"),
		version("stage twice", `{"secret_string":"x","version_stages":["a","a"]}`, param, "twice"),
		version("stage of other letters", `{"secret_string":"x","version_stages":["a b"]}`, param, "a stage is"),
		version("empty stage", `{"secret_string":"x","version_stages":[""]}`, param, "a stage is"),
		version("both roles", `{"secret_string":"x","version_stages":["SYSCURRENT","SYSPREVIOUS"]}`, param, "one version"),
		version("negative expiry", `{"secret_string":"x","expire_time":-1}`, param, "expire_time"),
		version("late expiry", `{"secret_string":"x","expire_time":10000000000000}`, param, "expire_time"),
		version("expiry in text", `{"secret_string":"x","expire_time":"1900000000000"}`, format, ""),
		{"version/of nothing", message{Method: "POST", Path: "/secrets/none/versions", Body: `{"secret_string":"x"}`}, 404, "CSMS.0106", ""},
	}
}

func badPaths() []badInput {
	get := func(path string, status int, code string) badInput {
		return badInput{path, message{Path: path}, status, code, ""}
	}
	return []badInput{
		get("/secrets/none", 404, "CSMS.0106"),
		get("/secrets/restore", 404, "CSMS.0106"), // a name like any other
		get("/secrets/a%2Fb", 400, "CSMS.0002"),
		get("/secrets/a%20b", 400, "CSMS.0002"),
		get("/secrets/%C3%A9", 400, "CSMS.0002"),
		get("/secrets/none/versions", 404, "CSMS.0106"),
		get("/secrets/none/versions/latest", 404, "CSMS.0005"),
		get("/secrets/taken/versions/v2", 404, "CSMS.0005"),
		get("/secrets/taken/versions/v0", 404, "CSMS.0005"),
		get("/secrets/taken/versions/v01", 404, "CSMS.0005"),
		get("/secrets/taken/versions/1", 400, "CSMS.0002"),
		get("/secrets/taken/versions/v", 400, "CSMS.0002"),
		get("/secrets/taken/versions/v+1", 400, "CSMS.0002"),
		get("/secrets/taken/versions/v12345678901", 400, "CSMS.0002"),
		get("/secrets?limit=0", 400, "CSMS.0002"),
		get("/secrets?limit=1001", 400, "CSMS.0002"),
		get("/secrets?limit=x", 400, "CSMS.0002"),
		get("/secrets?limit=1&limit=2", 400, "CSMS.0002"),
		get("/secrets?marker=a%20b", 400, "CSMS.0002"),
		get("/secrets/taken/versions?marker=latest", 400, "CSMS.0002"),
		get("/secrets/", 404, "APIGW.0101"),
		get("/secrets/taken/", 404, "APIGW.0101"),
		get("//secrets", 404, "APIGW.0101"),
		get("/v1", 404, "APIGW.0101"),
		get("/v1/x", 404, "APIGW.0101"),
		get("/v3/auth/token", 404, "APIGW.0101"),
		get("/v3.0/OS-CREDENTIAL/credentials", 404, "APIGW.0101"),
		{"PATCH", message{Method: "PATCH", Path: "/secrets/taken"}, 404, "APIGW.0101", ""},
		{"POST of a name", message{Method: "POST", Path: "/secrets/taken"}, 404, "APIGW.0101", ""},
		{"rotate", message{Method: "POST", Path: "/secrets/taken/rotate"}, 400, "CSMS.0003", "RotateSecret is not served"},
	}
}

func badBlobs(t testing.TB, blob, foreign string) []badInput {
	t.Helper()
	restore := func(name, blob string, says string) badInput {
		body, err := json.Marshal(map[string]string{"secret_blob": blob})
		must(t, err)
		return badInput{name, message{Method: "POST", Path: "/secrets/restore", Store: "b", Body: string(body)}, 400, "CSMS.0002", says}
	}
	out := []badInput{
		restore("empty", "", "empty"),
		restore("garbage", "not a backup at all", "not a backup"),
		restore("parenthesis", ")", ""),
		restore("base64url", base64.RawURLEncoding.EncodeToString([]byte(blob)), "base64url form"),
		restore("real Azure", base64.RawURLEncoding.EncodeToString([]byte(")AzureKeyVaultSecretBackupV1.microsoft.com"+blob[42:])), "Azure Key Vault"),
		restore("real Huawei", ")CloudSecretManagementBackupV1.com"+blob[42:], "Huawei Cloud"),
		restore("another keyring", foreign, "which the keyring does not hold"),
		restore("cut", blob[:len(blob)-1], ""),
		restore("cut at a part", blob[:strings.LastIndexByte(blob, '.')], ""),
		restore("longer", blob+"A", ""),
		restore("line feed within", blob[:len(blob)-4]+"\n"+blob[len(blob)-4:], ""),
		restore("no member", "", "empty"),
	}
	for i := 0; i < len(blob); i += len(blob)/23 + 1 {
		b := []byte(blob)
		b[i] ^= 1
		if b[i] < ' ' || b[i] > '~' {
			continue
		}
		out = append(out, restore("bit turned", string(b), ""))
	}
	taken := restore("taken", blob, "already exists")
	taken.m.Store, taken.code = "a", "CSMS.0101"
	return append(out, taken)
}

func backup(t testing.TB, g *gatewaytest.Gateway, name string) string {
	t.Helper()
	a := message{Method: "POST", Path: "/secrets/" + name + "/backup"}.send(t, g)
	var body struct {
		Blob string `json:"secret_blob"`
	}
	must(t, json.Unmarshal([]byte(a.Body), &body))
	if a.Status != 200 || !strings.HasPrefix(body.Blob, ")") {
		t.Fatalf("backup: %d %s", a.Status, a.Msg)
	}
	return body.Blob
}
