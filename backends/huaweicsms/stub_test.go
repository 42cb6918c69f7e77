package huaweicsms

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	host    = "kms.region.example"
	project = "0123456789abcdef0123456789abcdef"
)

// stub is a service that answers as handle says.
func stub(t testing.TB, handle http.HandlerFunc, change ...func(*Config)) *Backend {
	t.Helper()
	cert, ca := certify(t, host)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		handle(w, r)
	}))
	srv.TLS, srv.EnableHTTP2 = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := &Config{
		Endpoint: "https://" + host, ProjectID: project, CAFile: ca, Dial: leadTo(srv.Listener.Addr().String()),
		AccessKey: AccessKey{ID: "AKSTUB", Secret: secret.TextValue("stub-secret-key")},
	}
	for _, f := range change {
		f(c)
	}
	b, err := New(backends.Env{Store: "test", Now: time.Now}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// certify makes a certificate that signs itself, and its file.
func certify(t testing.TB, host string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// The requests that a script answers, below the project.
const (
	getSecret   = "GET /secrets/s"
	getVersions = "GET /secrets/s/versions"
	getValue    = "GET /secrets/s/versions/v1"
	getTags     = "GET /csms/" + id + "/tags"
	getList     = "GET /secrets"
	doCreate    = "POST /secrets"
	doAppend    = "POST /secrets/s/versions"
	doDescribe  = "PUT /secrets/s"
	doSchedule  = "POST /secrets/s/scheduled-deleted-tasks/create"
	doDestroy   = "DELETE /secrets/s"

	id = "bb6a3d22-dc93-47ac-b5bd-88df7ad35f1e"
)

// scripted answers each request with the replies for it in turn, the last of
// which goes on, and anything else as absent.
type scripted struct {
	mu      sync.Mutex
	answers map[string][]http.HandlerFunc
	asked   map[string]int
}

func script(t testing.TB, answers map[string][]http.HandlerFunc, change ...func(*Config)) (*Backend, *scripted) {
	t.Helper()
	s := &scripted{answers: answers, asked: map[string]int{}}
	return stub(t, s.ServeHTTP, change...), s
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	key := r.Method + " " + r.URL.Path[min(len("/v1/"+project), len(r.URL.Path)):]
	n := s.asked[key]
	s.asked[key]++
	next := reply(404, absent)
	if all := s.answers[key]; len(all) > 0 {
		next = all[min(n, len(all)-1)]
	}
	s.mu.Unlock()
	next(w, r)
}

func (s *scripted) count(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[key]
}

func (s *scripted) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.asked {
		n += c
	}
	return n
}

// Answers in the words of the reference.
const (
	absent = `{"error_code":"CSMS.0106","error_msg":"The secret name not found int the db."}`
	meta   = `{"id":"` + id + `","name":"s","state":"ENABLED","kms_key_id":"b168fe00-ff56-4924-95a7-d22974df2d0b","description":"canary-text",` +
		`"create_time":1581507580000,"update_time":1581507580000,"scheduled_delete_time":null,"secret_type":"COMMON","auto_rotation":false,` +
		`"event_subscriptions":[""],"enterprise_project_id":"0","unknown_member":{"a":1}}`
	one   = `{"version_metadata":{"id":"v1","create_time":1581507580000,"expire_time":null,"version_stages":["SYSCURRENT"]},"secret_string":"canary-1"}`
	metas = `{"version_metadatas":[{"id":"v1","create_time":1581507580000,"version_stages":["SYSCURRENT"]}],"page_info":{"next_marker":null,"previous_marker":null,"current_count":1}}`
)

func withDefaults(change map[string][]http.HandlerFunc) map[string][]http.HandlerFunc {
	answers := map[string][]http.HandlerFunc{
		getSecret: {reply(200, `{"secret":`+meta+`}`)}, getVersions: {reply(200, metas)}, getTags: {reply(200, `{"tags":[],"sys_tags":[]}`)},
		getValue: {reply(200, `{"version":`+one+`}`)}, getList: {reply(200, `{"secrets":[`+meta+`],"page_info":{"current_count":1}}`)},
	}
	for k, v := range change {
		answers[k] = v
	}
	return answers
}

// reply is a handler with one answer.
func reply(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "1f2e3d")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}
