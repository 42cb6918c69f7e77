package azure

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/dialects/wiretest"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

func TestEveryKindHasARow(t *testing.T) {
	t.Parallel()
	d := &Dialect{authority: "https://login.example/adfs"}
	for _, op := range []string{"azure.GetSecret", opRestore, ""} {
		r := &wire.Request{Request: httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.example/secrets/x", nil), Op: op, Vars: map[string]string{"name": "x"}}
		wiretest.CheckErrors(t,
			func(k secret.Kind) bool { _, ok := shapes[k]; return ok },
			func(err error) wire.Reply {
				s := d.describe(r, err)
				return wire.Reply{Status: s.status, Header: d.errorHeader(r, s, err), Body: errorBody(s)}
			})
	}
}

// The bodies of recorded answers whose length does not depend on names.
func TestRecordedLengths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind secret.Kind
		want int
	}{
		{secret.Unauthenticated, 97}, {secret.Disabled, 132},
	} {
		b, err := json.Marshal(errorBody(shapes[c.kind]))
		if err != nil || len(b) != c.want {
			t.Errorf("%s: %d bytes, recorded are %d (%v)", c.kind, len(b), c.want, err)
		}
	}
}

// A secret as recorded from the real service, with the Content-Length that it
// came with: the same facts make the same bytes.
func TestRecordedSecret(t *testing.T) {
	t.Parallel()
	const recorded = `{"value":"value518723441","contentType":"big secret","id":"https://fakevault.local/secrets/secret518723441/d0215295974a4da8ab877cb69fefd5ec","attributes":{"enabled":true,"nbf":1893459661,"created":1680047573,"updated":1680047573,"recoveryLevel":"CustomizedRecoverable+Purgeable","recoverableDays":7},"tags":{"tag":"value"}}`
	const length = 323
	uid, ok := secret.ParseUID("d0215295974a4da8ab877cb69fefd5ec")
	if !ok {
		t.Fatal("the recorded version id is none")
	}
	v := secret.Version{
		UID: uid, Value: secret.TextValue("value518723441"), ContentType: "big secret", NotBefore: time.Unix(1893459661, 0),
		Created: time.Unix(1680047573, 0), Updated: time.Unix(1680047573, 0), Tags: map[string]string{"tag": "value"},
	}
	s := &secret.Secret{Name: "secret518723441", Versions: []secret.Version{v}}
	q := &request{
		base: "https://fakevault.local", version: apiVersion{name: "7.4", days: true},
		site: &site{level: recoveryLevel(gateway.Info{RetentionDays: 7}), days: 7},
	}
	r := mux.NewRouter()
	wire.Mount(r, anybody{}, []wire.Route{{Op: "x", Method: http.MethodGet, Path: "/", Handle: func(*wire.Request) (wire.Reply, error) {
		return answer(q.bundleOf(s, &v).withVersion(&v).withValue(&v))
	}}}, nil)
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if w.Body.String() != recorded || w.Header().Get("Content-Length") != strconv.Itoa(length) {
		t.Errorf("%s bytes, recorded are %d:\n%s", w.Header().Get("Content-Length"), length, w.Body)
	}
}

// anybody lets everybody in.
type anybody struct{}

func (anybody) Authenticate(*wire.Request) (access.Caller, error) { return access.Caller{}, nil }
func (anybody) Prepare(http.Header, *wire.Request)                {}
func (anybody) Error(*wire.Request, error) wire.Reply             { return wire.Reply{Status: 500} }

func TestBundleOfOtherForms(t *testing.T) {
	t.Parallel()
	q := &request{site: &site{level: "Purgeable"}, base: "https://v.example"}
	for _, c := range []struct {
		version secret.Version
		want    string
	}{
		{secret.Version{Value: secret.BinaryValue([]byte{0xff, 0})}, `{"value":"/wA=","contentType":"application/octet-stream;base64",`},
		{secret.Version{Value: secret.BinaryValue([]byte{0xff, 0}), ContentType: "a/b"}, `{"value":"/wA=","contentType":"a/b",`},
		{secret.Version{Value: secret.FieldsValue([]byte(`{"a":1}`))}, `{"value":"{\"a\":1}","contentType":"application/json",`},
		{secret.Version{Value: secret.TextValue("")}, `{"value":"","id":"https://v.example/secrets/n/00000000000000000000000000000000",`},
		{secret.Version{Value: secret.TextValue("x"), Extra: secret.Extra{"azure.managed": json.RawMessage("true")}.WithText("azure.kid", "k")}, `{"value":"x","id":"https://v.example/secrets/n/00000000000000000000000000000000","kid":"k","managed":true,`},
	} {
		v := c.version
		v.Created, v.Updated = time.Unix(1, 0), time.Unix(1, 0)
		s := &secret.Secret{Name: "n", Versions: []secret.Version{v}}
		b, err := json.Marshal(q.bundleOf(s, &v).withVersion(&v).withValue(&v))
		if err != nil || !strings.HasPrefix(string(b), c.want) {
			t.Errorf("a %s value is not shown as %s (%v)", v.Value.Form(), c.want, err)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name secret.Name
		kept string
		want string
	}{
		{"db-pass", "", "db-pass"},
		{"db-pass", "DB-Pass", "DB-Pass"},
		{"other", "DB-Pass", "other"}, // restored under another name
		{"db-pass", "db/pass", "db-pass"},
		{"Foo", "", "x0-8pnmu"},
		{secret.Name(strings.Repeat("n", 128)), "", "x0-" + strings.Repeat("dpn6srje", 26)[:205]},
		{"a/b", "A/B", "x0-c4nm4"},
	} {
		var x secret.Extra
		if c.kept != "" {
			x = secret.Extra{}.WithText(extraName, c.kept)
		}
		got := wireName(c.name, x)
		if got != c.want {
			t.Errorf("%q kept as %q is shown as %q, want %q", c.name, c.kept, got, c.want)
		}
		if back, err := ModelName(got); err != nil || back != c.name {
			t.Errorf("%q is read back as %q (%v)", got, back, err)
		}
	}
}

func TestLimitsOfABody(t *testing.T) {
	t.Parallel()
	q := func(n int) string { return strings.Repeat("é", n) }
	tags := func(n int) string {
		m := map[string]string{}
		for i := range n {
			m[strings.Repeat("k", i+1)] = "v"
		}
		b, _ := json.Marshal(m) // strings always marshal
		return string(b)
	}
	for name, c := range map[string]struct {
		body string
		ok   bool
	}{
		"largest value":        {`{"value":"` + q(maxValue/2) + `"}`, true},
		"value a byte larger":  {`{"value":"` + q(maxValue/2) + `a"}`, false},
		"longest content type": {`{"value":"","contentType":"` + q(255) + `"}`, true},
		"content type longer":  {`{"value":"","contentType":"` + q(256) + `"}`, false},
		"most tags":            {`{"value":"","tags":` + tags(15) + `}`, true},
		"too many tags":        {`{"value":"","tags":` + tags(16) + `}`, false},
		"longest tag":          {`{"value":"","tags":{"` + q(512) + `":"` + q(512) + `"}}`, true},
		"tag name longer":      {`{"value":"","tags":{"` + q(513) + `":""}}`, false},
		"tag value longer":     {`{"value":"","tags":{"a":"` + q(513) + `"}}`, false},
		"deep":                 {`{"value":"","x":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, false},
		"no UTF-8":             {"{\"value\":\"\xff\"}", false},
		"last second":          {`{"value":"","attributes":{"exp":253402300799}}`, true},
		"a second later":       {`{"value":"","attributes":{"exp":253402300800}}`, false},
		"first second":         {`{"value":"","attributes":{"exp":-62135596800}}`, true},
		"a second earlier":     {`{"value":"","attributes":{"nbf":-62135596801}}`, false},
		"before 1970":          {`{"value":"","attributes":{"nbf":-315619200,"exp":-1}}`, true},
		"a fraction":           {`{"value":"","attributes":{"nbf":1569456000.1234567,"exp":1.5e9}}`, true},
		"a fraction too late":  {`{"value":"","attributes":{"exp":253402300800.5}}`, false},
		"no finite number":     {`{"value":"","attributes":{"exp":1e400}}`, false},
		"a number as text":     {`{"value":"","attributes":{"exp":"1"}}`, false},
	} {
		if _, err := decodeSet([]byte(c.body)); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProblemsOfOptions(t *testing.T) {
	t.Parallel()
	for _, authority := range []string{"", "https://login.example", "https://login.example/", "http://login.example/t", "https://a/b\"", "https://a/b, c"} {
		if checkAuthority(authority) == nil {
			t.Errorf("authority %q is accepted", authority)
		}
	}
	for _, resource := range []string{"vault.example", "http://vault.example", "https://", `https://a"`} {
		if checkResource(resource) == nil {
			t.Errorf("resource %q is accepted", resource)
		}
	}
	for _, host := range []string{"", "*.", "*.*.example", "a.*.example", "a.example:8443", "a/b"} {
		if (&Dialect{sites: map[string]*site{}}).addSite(Route{Host: host}) == nil {
			t.Errorf("host %q is accepted", host)
		}
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	for host, want := range map[string][3]string{
		"a.vault.example":       {"https://a.vault.example", "https://a.vault.example:443", "https://vault.example"},
		"A.vault.example:443":   {"https://a.vault.example", "https://a.vault.example:443", "https://vault.example"},
		"a.vault.example.:8443": {"https://a.vault.example:8443", "https://a.vault.example:8443", "https://vault.example:8443"},
		"localhost:8443":        {"https://localhost:8443", "https://localhost:8443", "https://localhost:8443"},
		"127.0.0.1":             {"https://127.0.0.1", "https://127.0.0.1:443", "https://127.0.0.1"},
		"[::1]:8443":            {"https://[::1]:8443", "https://[::1]:8443", "https://[::1]:8443"},
		"[::1]":                 {"https://[::1]", "https://[::1]:443", "https://[::1]"},
	} {
		o := originOf(host)
		if diff := cmp.Diff(want, [3]string{o.base(), o.link(), o.parent()}); diff != "" {
			t.Errorf("%s: %s", host, diff)
		}
	}
}

// A token of the real service is read too.
func TestRecordedSkipToken(t *testing.T) {
	t.Parallel()
	inner := base64.StdEncoding.EncodeToString([]byte("000029!secret/LISTSECRETS12663316706!000028!9999-12-31T23:59:59.9999999Z!"))
	token := base64.RawURLEncoding.EncodeToString([]byte(`{"NextMarker":"2!100!` + strings.ReplaceAll(inner, "=", "-") + `","TargetLocation":0}`))
	if got := skipToken("listsecrets12663316706"); got != token {
		t.Errorf("the token is\n%s\nand not\n%s", got, token)
	}
	if key, ok := readSkipToken(token); !ok || key != "listsecrets12663316706" {
		t.Errorf("the token reads %q", key)
	}
}

// TestEveryErrorTellsItsEvidence, and is complete once the request is known.
// It prints what is our own choice.
func TestEveryErrorTellsItsEvidence(t *testing.T) {
	t.Parallel()
	all := map[string]shape{
		"no token": noToken, "bad token": badToken, "method": wrongMethod, "operation": wrongOperation, "name": wrongName,
		"api-version": wrongVersion, "no api-version": noVersion, "path": wrongPath, "other objects": otherObjects,
		"large body": largeBody, "blob of another version": wrongBlob, "purge protection": purgeProtected, "read-only": readOnly,
		"output": wrongOutput,
	}
	for k, s := range shapes {
		all[k.Error()] = s
	}
	for op, rows := range special {
		for k, s := range rows {
			all[op+": "+k.Error()] = s
		}
	}
	d := &Dialect{authority: "https://login.example/adfs", permissions: map[string]string{"azure.GetSecret": "get"}}
	r := &wire.Request{
		Request: httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.example/keys/x?api-version=1", nil),
		Op:      "azure.GetSecret", Vars: map[string]string{"name": "{id}", "operation": "o"},
	}
	for what, s := range all {
		if s.known < recorded || s.known > inferred || s.status < 400 || s.code == "" || s.message == "" {
			t.Errorf("%s: the row is not complete", what)
		}
		if said := strings.ReplaceAll(d.fill(r, nil, s.message), "{id}", ""); strings.ContainsAny(said, "{}") {
			t.Errorf("%s: left open: %s", what, said)
		}
		if s.known == inferred {
			t.Logf("inferred: %s: %d %s %s %q", what, s.status, s.code, s.inner, s.message)
		}
	}
}

// The two dates are whole days apart, also where two clocks told them.
func TestSpanOfARetention(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 999_000_000)
	for _, c := range []struct {
		between time.Duration
		want    int64
	}{
		{7 * 24 * time.Hour, 604_800},
		{7*24*time.Hour + 2*time.Millisecond, 604_800},
		{90*24*time.Hour - 1500*time.Millisecond, 7_776_000},
		{7*24*time.Hour + 2*time.Hour, 612_000},
		{0, 0},
	} {
		from, to := span(&secret.Deletion{At: at, Purge: at.Add(c.between)})
		if from != at.Unix() || to-from != c.want {
			t.Errorf("%v: %d to %d", c.between, from, to)
		}
	}
}
