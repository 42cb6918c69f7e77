package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// byTags is the data source csms_secrets_by_tags, as its source sends it:
// numbers as numbers, one secret a page, until nothing comes. The SDKs send
// the same numbers as text.
func (tf terraform) byTags(t *testing.T) {
	const at = "/csms/resource_instances/action"
	for _, name := range []string{"tf-tag-a", "tf-tag-b", "tf-tag-c"} {
		var s tfSecret
		tf.want(t, "POST", "/secrets", `{"name":"`+name+`","secret_string":"s"}`, &s)
		if name != "tf-tag-b" {
			tf.want(t, "POST", "/csms/"+s.Secret.ID+"/tags/action", `{"action":"create","tags":[{"key":"by","value":"tag"}]}`, nil, 200, 204)
		}
	}
	for form, number := range map[string]string{"numbers": "%d", "text": `"%d"`} {
		found := 0
		for ; found < 10; found++ {
			var page struct{ Resources []any }
			body := fmt.Sprintf(`{"action":"filter","limit":`+number+`,"offset":`+number+`,"tags":[{"key":"by","values":["tag"]}]}`+"\n", 1, found)
			tf.want(t, "POST", at, body, &page)
			if len(page.Resources) == 0 {
				break
			}
			if len(page.Resources) != 1 {
				t.Errorf("%s: a page of one holds %d", form, len(page.Resources))
			}
		}
		if found != 2 {
			t.Errorf("%s: %d secrets, want 2", form, found)
		}
	}
}

// kms is what a provider with secrets and keys asks beside CSMS: it is told
// that there is no such API here, and not that its credentials are wrong.
func (tf terraform) kms(t *testing.T) {
	r := recorded{Op: "keys.List", Method: "POST", Target: "/v1.0/" + recordedProject + "/kms/list-keys", Body: `{"limit":"10","marker":""}` + "\n", Headers: http.Header{
		"Accept": {"application/json"}, "Content-Type": {"application/json"}, "User-Agent": {"golangsdk/2.0.0"}, "X-Project-Id": {recordedProject},
		"Authorization": {"SignedHeaders=accept;content-type;user-agent;x-sdk-date,"},
	}}
	var said struct {
		Code string `json:"error_code"`
	}
	status, out := tf.replay(t, &r, nil)
	if err := json.Unmarshal(out, &said); err != nil || status != http.StatusNotFound || said.Code != "APIGW.0101" {
		t.Errorf("%d %s", status, out)
	}
}

// TestTerraformStart is how the provider begins: it finds its project by the
// name of its region, or logs in with a password, and then reads with the
// token.
func TestTerraformStart(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "one", Kind: "memory", Backend: products["memory"](t, "one")}}})
	tf := terraform{g: g, project: gatewaytest.Project("one")}
	tf.want(t, "POST", "/secrets", `{"name":"demo","secret_string":"s"}`, nil)
	token, ran := "", 0
	for _, r := range recordings(t) {
		switch {
		case strings.HasPrefix(r.Target, "/v3/projects"):
			status, out := tf.replay(t, &r, func(path, body string) (string, string) {
				return strings.Replace(path, "xx-test-1", gatewaytest.Region("one"), 1), body
			})
			var found struct{ Projects []struct{ ID, Name string } }
			if err := json.Unmarshal(out, &found); err != nil || status != 200 || len(found.Projects) != 1 || found.Projects[0].ID != tf.project {
				t.Errorf("%s: %d %s", r.Op, status, out)
			}
		case strings.HasPrefix(r.Target, "/v3/auth/tokens"):
			q, err := http.NewRequestWithContext(t.Context(), r.Method, g.Endpoint()+r.Target, strings.NewReader(strings.NewReplacer(
				"alice", g.ClientID, `"pw"`, `"`+g.ClientSecret+`"`, "xx-test-1", gatewaytest.Region("one")).Replace(r.Body)))
			if err != nil {
				t.Fatal(err)
			}
			q.Header = r.Headers.Clone()
			q.Header.Del("Content-Length")
			resp, err := g.Client.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if token = resp.Header.Get("X-Subject-Token"); resp.StatusCode != http.StatusCreated || token == "" {
				t.Fatalf("%s: %d", r.Op, resp.StatusCode)
			}
		case r.Headers.Get("X-Auth-Token") != "":
			r.Headers.Set("X-Auth-Token", token)
			if status, out := tf.replay(t, &r, nil); status != 200 {
				t.Errorf("%s: %d %s", r.Op, status, out)
			}
		default:
			continue
		}
		ran++
	}
	if ran != 3 {
		t.Errorf("%d requests replayed", ran)
	}
}
