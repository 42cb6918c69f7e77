package attack

import (
	"net/http"
	"testing"
)

// TestProjectsAreNotTold: a caller without rights learns nothing of which
// projects there are.
func TestProjectsAreNotTold(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, hostile)
	for _, c := range []call{
		{method: "GET", path: "/secrets"},
		{method: "GET", path: "/secrets/n/versions/latest"},
		{method: "POST", path: "/secrets", body: secretBody("n", "v")},
		{method: "POST", path: "/secrets", body: "not JSON"},
		{method: "POST", path: "/secrets/n/backup"},
		{method: "POST", path: "/secrets/restore", body: `{"secret_blob":")x"}`},
		{method: "GET", path: "/csms/events/e"},
		{method: "GET", path: "/csms/tasks"},
		{method: "POST", path: "/csms/generate-password", body: "{}"},
		{method: "POST", path: "/secrets/batch-delete", body: `{"instance_id":"i"}`},
		{method: "POST", path: "/secrets/batch-get-secret-value", body: `{"secret_name_list":[]}`},
		{method: "POST", path: "/csms/resource_instances/action", body: `{"action":"count"}`},
		{method: "DELETE", path: "/csms/grants"},
	} {
		c.key, c.sk = guestKey, guestSK
		var answers []string
		for _, p := range []string{project, "00000000000000000000000000000000"} {
			asked := c
			asked.path = "/v1/" + p + c.path
			code, body := x.send(t, client, asked)
			answers = append(answers, http.StatusText(code)+" "+body)
		}
		if answers[0] != answers[1] {
			t.Errorf("%s %s: %s, and where there is no project: %s", c.method, c.path, answers[0], answers[1])
		}
	}
}
