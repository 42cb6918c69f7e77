package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// terraform sends what the library of the Terraform provider sends, and wants
// of an answer what that library and the provider want: its statuses, and the
// members that they read.
type terraform struct {
	g       *gatewaytest.Gateway
	project string
	sk      string // default: the gateway's
}

// recorded is a request as that library was seen to send it.
type recorded struct {
	Source, Op, Method, Body string
	Target                   string `json:"request_target"`
	Headers                  http.Header
}

const recordedProject = "0605767fcd80d5762fdbc0189dexampl"

// recordings are the requests of the library.
func recordings(t *testing.T) []recorded {
	t.Helper()
	data, err := os.ReadFile("../sdkhmac/testdata/requests.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var all []recorded
	for line := range bytes.Lines(data) {
		var r recorded
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(r.Source, "golangsdk") {
			all = append(all, r)
		}
	}
	return all
}

// signedNames are those that a recorded request signed: the library signs what
// it has set by then, and adds X-Project-Id and the like afterwards.
func (r *recorded) signedNames() []string {
	_, rest, ok := strings.Cut(r.Headers.Get("Authorization"), "SignedHeaders=")
	names, _, _ := strings.Cut(rest, ",")
	if !ok {
		return nil
	}
	return strings.Split(names, ";")
}

// replay sends the request again, to a project here, signed anew.
func (tf terraform) replay(t *testing.T, r *recorded, edit func(path, body string) (string, string)) (int, []byte) {
	t.Helper()
	path := strings.Replace(r.Target, recordedProject, tf.project, 1)
	body := r.Body
	if edit != nil {
		path, body = edit(path, body)
	}
	q, err := http.NewRequestWithContext(t.Context(), r.Method, tf.g.Endpoint()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range r.Headers {
		if k != "Content-Length" && k != "Authorization" && k != "X-Sdk-Date" {
			q.Header[k] = v
		}
	}
	if q.Header.Get("X-Project-Id") != "" {
		q.Header.Set("X-Project-Id", tf.project)
	}
	if names := r.signedNames(); names != nil {
		tf.sign(q, path, body, names)
	}
	resp, err := tf.g.Client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s: no request id", r.Op)
	}
	return resp.StatusCode, out
}

// sign follows the reference, not our verifier. The query of this library is
// canonical on the wire.
func (tf terraform) sign(q *http.Request, path, body string, names []string) {
	sk := tf.sk
	if sk == "" {
		sk = tf.g.SecretKey
	}
	date := time.Now().UTC().Format("20060102T150405Z")
	q.Header.Set("X-Sdk-Date", date)
	path, query, _ := strings.Cut(path, "?")
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s/\n%s\n", q.Method, path, query)
	for _, n := range names {
		fmt.Fprintf(&b, "%s:%s\n", n, strings.TrimSpace(q.Header.Get(n)))
	}
	fmt.Fprintf(&b, "\n%s\n%x", strings.Join(names, ";"), sha256.Sum256([]byte(body)))
	mac := hmac.New(sha256.New, []byte(sk))
	fmt.Fprintf(mac, "SDK-HMAC-SHA256\n%s\n%x", date, sha256.Sum256([]byte(b.String())))
	q.Header.Set("Authorization", fmt.Sprintf("SDK-HMAC-SHA256 Access=%s, SignedHeaders=%s, Signature=%x", tf.g.AccessKey, strings.Join(names, ";"), mac.Sum(nil)))
}

// do sends a request with the headers of most: JSON, signed with its language.
func (tf terraform) do(t *testing.T, method, path, body string) (int, []byte) {
	t.Helper()
	r := &recorded{Op: method + " " + path, Method: method, Target: "/v1/" + recordedProject + path, Body: body, Headers: http.Header{
		"Accept": {"application/json"}, "Content-Type": {"application/json"}, "User-Agent": {"terraform-provider-iac golangsdk/2.0.0"},
		"X-Language": {"en-us"}, "X-Project-Id": {recordedProject},
		"Authorization": {"SignedHeaders=accept;content-type;user-agent;x-language;x-sdk-date,"},
	}}
	return tf.replay(t, r, nil)
}

// want wants one of the statuses that the library takes for success, and reads
// the answer.
func (tf terraform) want(t *testing.T, method, path, body string, into any, statuses ...int) {
	t.Helper()
	if len(statuses) == 0 {
		statuses = map[string][]int{"GET": {200}, "POST": {200, 201, 202}, "PUT": {200, 201, 202}, "DELETE": {200, 202, 204}}[method]
	}
	status, out := tf.do(t, method, path, body)
	if !slices.Contains(statuses, status) {
		t.Fatalf("%s %s: %d %s", method, path, status, out)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
}

type (
	tfSecret struct {
		Secret struct{ ID, Name, State, Description string }
	}
	tfVersions struct {
		All []struct {
			ID         string
			CreateTime int64  `json:"create_time"`
			ExpireTime *int64 `json:"expire_time"`
		} `json:"version_metadatas"`
		PageInfo struct {
			Next *string `json:"next_marker"`
		} `json:"page_info"`
	}
	tfVersion struct {
		Version struct {
			Metadata struct {
				ID string
			} `json:"version_metadata"`
			String *string `json:"secret_string"`
		}
	}
	tfTags struct {
		Tags []struct{ Key, Value string }
	}
)

// newest is the provider's way to the latest version: the highest create_time.
func (tf terraform) newest(t *testing.T, name string) string {
	t.Helper()
	var all tfVersions
	tf.want(t, "GET", "/secrets/"+name+"/versions", "", &all)
	if len(all.All) == 0 {
		t.Fatal("no versions")
	}
	best := all.All[0]
	for _, v := range all.All[1:] {
		if v.CreateTime == best.CreateTime {
			t.Error("two versions of one time: the provider cannot tell the latest")
		}
		if v.CreateTime > best.CreateTime {
			best = v
		}
	}
	return best.ID
}

// TestTerraformOverProducts replays what the provider's library was seen to
// send, and lives the life of the provider's resources, over every product.
func TestTerraformOverProducts(t *testing.T) {
	t.Parallel()
	for kind, open := range products {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "one", Kind: kind, Backend: open(t, "one")}}})
			tf := terraform{g: g, project: gatewaytest.Project("one")}
			t.Run("recordings", func(t *testing.T) { t.Parallel(); tf.recordings(t) })
			t.Run("secret", func(t *testing.T) { t.Parallel(); tf.resource(t) })
			t.Run("version state", func(t *testing.T) { t.Parallel(); tf.versionState(t) })
			t.Run("tasks", func(t *testing.T) { t.Parallel(); tf.tasks(t) })
			t.Run("by tags", func(t *testing.T) { t.Parallel(); tf.byTags(t) })
			t.Run("kms", func(t *testing.T) { t.Parallel(); tf.kms(t) })
		})
	}
}

// recordings sends each recorded request, in a state that it fits.
func (tf terraform) recordings(t *testing.T) {
	const replayed = "replayed"
	id := ""
	prepare := func() {
		tf.do(t, "POST", "/secrets", `{"name":"`+replayed+`","secret_string":"s"}`)
		tf.do(t, "POST", "/secrets/"+replayed+"/versions", `{"secret_string":"s2"}`)
		var s tfSecret
		tf.want(t, "GET", "/secrets/"+replayed, "", &s)
		id = s.Secret.ID
	}
	fit := func(path, body string) (string, string) {
		path = strings.Replace(path, "/secrets/demo", "/secrets/"+replayed, 1)
		path = strings.Replace(path, "bb6a3d22-dc93-47ac-b5bd-88df7ad35f1e", id, 1)
		return path, strings.Replace(body, `"name":"demo"`, `"name":"`+replayed+`"`, 1)
	}
	want := map[string][]int{
		"secrets.Create": {200}, "secrets.Get 404": {404}, "secrets.Get 401": {401},
		"raw restore":                        {400}, // of what is no backup
		"raw scheduled-deleted-tasks/cancel": {400}, // of nothing
		"tags.Create":                        {200, 204}, "tags.Delete": {200, 204},
	}
	ran := 0
	for _, r := range recordings(t) {
		if strings.HasPrefix(r.Target, "/v3/") || r.Headers.Get("X-Auth-Token") != "" {
			continue // TestTerraformStart
		}
		ran++
		prepare()
		by := tf
		switch r.Op {
		case "secrets.Create":
			tf.do(t, "DELETE", "/secrets/"+replayed, "")
		case "secrets.Get 401":
			by.sk = "another"
		}
		statuses := want[r.Op]
		if statuses == nil {
			statuses = map[string][]int{"GET": {200}, "POST": {200, 201, 202}, "PUT": {200, 201, 202}, "DELETE": {200, 202, 204}}[r.Method]
		}
		if status, out := by.replay(t, &r, fit); !slices.Contains(statuses, status) {
			t.Errorf("%s: %d %s", r.Op, status, out)
		}
	}
	if ran < 20 {
		t.Errorf("%d requests replayed", ran)
	}
}

// resource is csms_secret: create, read, update, delete, and what a plan does
// afterwards.
func (tf terraform) resource(t *testing.T) {
	const name, at = "tf-secret", "/secrets/tf-secret"
	var made tfSecret
	tf.want(t, "POST", "/secrets", `{"name":"`+name+`","description":"d","secret_string":"<one>","enterprise_project_id":"0"}`+"\n", &made)
	id := made.Secret.ID
	if id == "" || made.Secret.State != "ENABLED" {
		t.Fatalf("created: %+v", made)
	}
	tf.want(t, "POST", "/csms/"+id+"/tags/action", `{"action":"create","tags":[{"key":"k","value":"v"},{"key":"env","value":"a/b"}]}`+"\n", nil, 200, 204)
	tf.want(t, "PUT", at+"/versions/"+tf.newest(t, name), `{"expire_time":1900000000000}`+"\n", nil)
	read := func(value, description string, expires int64, tags int) {
		t.Helper()
		var s tfSecret
		tf.want(t, "GET", at, "", &s)
		var v tfVersion
		latest := tf.newest(t, name)
		tf.want(t, "GET", at+"/versions/"+latest, "", &v)
		var all tfVersions
		tf.want(t, "GET", at+"/versions", "", &all)
		var have tfTags
		tf.want(t, "GET", "/csms/"+s.Secret.ID+"/tags", "", &have)
		if last := all.All[len(all.All)-1]; s.Secret.ID != id || s.Secret.Description != description || v.Version.Metadata.ID != latest ||
			v.Version.String == nil || *v.Version.String != value || last.ExpireTime == nil || *last.ExpireTime != expires || len(have.Tags) != tags {
			t.Errorf("read: %+v %d tags, expiry %v", s.Secret, len(have.Tags), last.ExpireTime)
		}
	}
	read("<one>", "d", 1900000000000, 2)
	tf.want(t, "PUT", at, `{"description":"","event_subscriptions":[]}`+"\n", nil)
	tf.want(t, "POST", at+"/versions", `{"expire_time":1900000000000,"secret_string":"two"}`+"\n", nil)
	tf.want(t, "PUT", at+"/versions/"+tf.newest(t, name), `{"expire_time":1950000000000}`+"\n", nil)
	tf.want(t, "POST", "/csms/"+id+"/tags/action", `{"action":"delete","tags":[{"key":"k","value":"v"},{"key":"env","value":"a/b"}]}`+"\n", nil, 200, 204)
	tf.want(t, "POST", "/csms/"+id+"/tags/action", `{"action":"create","tags":[{"key":"k","value":"w"}]}`+"\n", nil, 200, 204)
	read("two", "", 1950000000000, 1)
	tf.want(t, "PUT", at, `{"description":"","event_subscriptions":null}`+"\n", nil)
	tf.want(t, "DELETE", at, "", nil)
	if status, out := tf.do(t, "GET", at, ""); status != 404 { // else the provider reports an error instead of "gone"
		t.Errorf("a deleted secret: %d %s", status, out)
	}
	if status, _ := tf.do(t, "DELETE", at, ""); status != 404 {
		t.Errorf("deleted once more: %d", status)
	}
}

// versionState is csms_secret_version_state: it makes a label with PUT and
// reads its name; its deletion is exactly 204.
func (tf terraform) versionState(t *testing.T) {
	const at = "/secrets/tf-state"
	tf.want(t, "POST", "/secrets", `{"name":"tf-state","secret_string":"one"}`, nil)
	tf.want(t, "POST", at+"/versions", `{"secret_string":"two"}`, nil)
	var stage struct {
		Stage struct{ Name, VersionID string }
	}
	for _, version := range []string{"v1", "v2"} {
		tf.want(t, "PUT", at+"/stages/blue", `{"version_id":"`+version+`"}`, &stage)
		if stage.Stage.Name != "blue" {
			t.Errorf("the answer does not name the label: %+v", stage)
		}
		tf.want(t, "GET", at+"/stages/blue", "", nil)
	}
	tf.want(t, "DELETE", at+"/stages/blue", "", nil, 204)
	if status, _ := tf.do(t, "GET", at+"/stages/blue", ""); status != 404 {
		t.Errorf("a label that is gone: %d", status)
	}
}

// tasks are csms_scheduled_delete_secret_task, csms_download_secret_backup,
// csms_restore_secret and the lists.
func (tf terraform) tasks(t *testing.T) {
	const at = "/secrets/tf-task"
	tf.want(t, "POST", "/secrets", `{"name":"tf-task","secret_string":"one"}`, nil)
	var s tfSecret
	tf.want(t, "POST", at+"/scheduled-deleted-tasks/create", `{"recovery_window_in_days":7}`, &s)
	if s.Secret.State != "PENDING_DELETE" {
		t.Errorf("scheduled: %+v", s)
	}
	tf.want(t, "POST", at+"/scheduled-deleted-tasks/cancel", "", &s)
	if s.Secret.State != "ENABLED" {
		t.Errorf("cancelled: %+v", s)
	}
	id := s.Secret.ID
	var blob map[string]string
	tf.want(t, "POST", at+"/backup", "", &blob)
	tf.want(t, "DELETE", at, "", nil)
	body, err := json.Marshal(blob)
	if err != nil {
		t.Fatal(err)
	}
	tf.want(t, "POST", "/secrets/restore", string(body), &s)
	if s.Secret.ID != id || s.Secret.Name != "tf-task" {
		t.Errorf("restored: %+v", s)
	}
	seen := map[string]bool{}
	for marker := ""; ; { // by the last name, until nothing comes
		var page struct{ Secrets []struct{ Name string } }
		tf.want(t, "GET", "/secrets?marker="+marker, "", &page)
		if len(page.Secrets) == 0 {
			break
		}
		for _, x := range page.Secrets {
			if seen[x.Name] {
				t.Fatalf("%s is listed twice", x.Name)
			}
			seen[x.Name] = true
		}
		marker = page.Secrets[len(page.Secrets)-1].Name
	}
	if !seen["tf-task"] {
		t.Error("the restored secret is not listed")
	}
}
