package huawei_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestLimits: what is at a limit of the documents is taken. What is one over
// is in TestBadInput.
func TestLimits(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	send := func(method, path, body string, status int) answer {
		t.Helper()
		a := message{Method: method, Path: path, Body: body}.send(t, g)
		if a.Status != status {
			t.Errorf("%s %s %.60s: %d %s %s", method, path, body, a.Status, a.Code, a.Msg)
		}
		return a
	}
	text := func(n int) string { return strings.Repeat("x", n) }
	created := send("POST", "/secrets", `{"name":"`+text(64)+`","secret_string":"`+text(32768)+`","description":"`+text(2048)+`","enterprise_project_id":"`+text(36)+`"}`, 200)
	send("POST", "/secrets", `{"name":"b","secret_binary":"`+strings.Repeat("AAAA", 8192)+`"}`, 200)
	at := "/secrets/" + text(64)

	stages := make([]string, 10)
	for i := range stages {
		stages[i] = `"` + fmt.Sprint(i) + text(63) + `"`
	}
	send("POST", at+"/versions", `{"secret_string":"x","version_stages":["SYSCURRENT",`+strings.Join(stages, ",")+`],"expire_time":9999999999999}`, 200)
	send("PUT", at+"/stages/"+"0"+text(63), `{"version_id":"v1"}`, 200)
	send("PUT", at+"/stages/another", `{"version_id":"v1"}`, 400)
	send("DELETE", at+"/stages/"+"0"+text(63), "", 204)
	send("PUT", at+"/stages/another", `{"version_id":"v1"}`, 200)
	for _, ms := range []string{"0", "9999999999999"} {
		send("PUT", at+"/versions/v1", `{"expire_time":`+ms+`}`, 200)
	}
	for i := 3; i <= 20; i++ {
		send("POST", at+"/versions", `{"secret_string":"x"}`, 200)
	}
	if a := send("GET", at+"/versions", "", 200); strings.Count(a.Body, `"id":"v`) != 20 {
		t.Error("twenty versions are not listed")
	}
	send("POST", at+"/versions", `{"secret_string":"x"}`, 200)
	if a := send("GET", at+"/versions", "", 200); strings.Count(a.Body, `"id":"v`) != 20 || strings.Contains(a.Body, `"id":"v3"`) || !strings.Contains(a.Body, `"id":"v2"`) {
		t.Error("the twenty-first version does not take the place of the oldest without a label")
	}

	_, id, _ := strings.Cut(created.Body, `"id":"`)
	tags := "/csms/" + id[:36] + "/tags"
	for i := range 2 {
		var ten []string
		for j := range 10 {
			ten = append(ten, `{"key":"`+fmt.Sprint(i, j)+strings.Repeat("é", 125)+`","value":"`+strings.Repeat("é", 255)+`"}`)
		}
		send("POST", tags+"/action", `{"action":"create","tags":[`+strings.Join(ten, ",")+`]}`, 204)
	}
	send("POST", tags, `{"tag":{"key":"one more"}}`, 400)
	send("DELETE", tags+"/0%200"+strings.Repeat("%C3%A9", 125), "", 204)
	send("POST", tags, `{"tag":{"key":"one more"}}`, 204)

	send("GET", "/secrets?limit=1000", "", 200)
	send("GET", "/secrets?limit=1", "", 200)
	send("GET", at+"/versions?limit=1000&marker=v9999999999", "", 200)
	send("POST", "/csms/resource_instances/action", `{"action":"filter","limit":"1000","offset":"2147483647"}`, 200)
	send("POST", "/csms/generate-password", `{"length":4096}`, 200)
	for _, days := range []string{"7", "30"} {
		send("POST", "/secrets/b/scheduled-deleted-tasks/create", `{"recovery_window_in_days":`+days+`}`, 200)
		send("POST", "/secrets/b/scheduled-deleted-tasks/cancel", "", 200)
	}
}
