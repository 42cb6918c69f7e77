package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
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
