package huawei_test

import (
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// goodEvent is a body that is taken.
const goodEvent = `{"name":"ev-1","event_types":["SECRET_DELETED"],"state":"ENABLED","notification":{"target_type":"SMN","target_id":"urn","target_name":"ops"}}`

// badEvents are requests about events of a store that has "ev-1".
func badEvents(t *testing.T, g *gatewaytest.Gateway) []badInput {
	t.Helper()
	if a := (message{Method: "POST", Path: "/csms/events", Body: goodEvent}).send(t, g); a.Status != 200 {
		t.Fatal(a)
	}
	send := func(method, path, body string, status int, code, says string) badInput {
		return badInput{method + path + body[:min(len(body), 80)], message{Method: method, Path: path, Body: body}, status, code, says}
	}
	create := func(from, to, code, says string) badInput {
		body := strings.Replace(strings.Replace(goodEvent, "ev-1", "ev-2", 1), from, to, 1)
		c := send("POST", "/csms/events", body, 400, code, says)
		c.name = "create/" + to
		return c
	}
	update := func(body, code, says string) badInput { return send("PUT", "/csms/events/ev-1", body, 400, code, says) }
	long := strings.Repeat("x", 65)
	secret := func(events string) badInput {
		return send("POST", "/secrets", `{"name":"n","secret_string":"x","event_subscriptions":`+events+`}`, 400, badParam, "")
	}
	return []badInput{
		send("POST", "/csms/events", "", 400, badFormat, "empty"),
		send("POST", "/csms/events", goodEvent, 400, "CSMS.0101", "event name"),
		create(`"name":"ev-2",`, ``, badParam, "are needed"),
		create(`"ev-2"`, `null`, badParam, "are needed"),
		create(`"ev-2"`, `""`, badParam, "the name of an event"),
		create(`"ev-2"`, `"a b"`, badParam, "the name of an event"),
		create(`"ev-2"`, `"a.b"`, badParam, "the name of an event"),
		create(`"ev-2"`, `"`+long+`"`, badParam, "the name of an event"),
		create(`["SECRET_DELETED"]`, `[]`, badParam, "empty"),
		create(`["SECRET_DELETED"]`, `"SECRET_DELETED"`, badFormat, ""),
		create(`["SECRET_DELETED"]`, `["SECRET_DELETED","SECRET_DELETED"]`, badParam, "twice"),
		create(`["SECRET_DELETED"]`, `["secret_deleted"]`, badParam, "does not exist"),
		create(`"event_types":["SECRET_DELETED"],`, ``, badParam, "are needed"),
		create(`"ENABLED"`, `"enabled"`, badParam, "state"),
		create(`"state":"ENABLED",`, ``, badParam, "are needed"),
		create(`"SMN"`, `"FunctionGraph"`, badParam, "SMN"),
		create(`"target_type":"SMN",`, ``, badParam, "SMN"),
		create(`"urn"`, `""`, badParam, "target_id"),
		create(`"urn"`, `"`+strings.Repeat("u", 513)+`"`, badParam, "512"),
		create(`"ops"`, `"`+strings.Repeat("u", 513)+`"`, badParam, "512"),
		create(`"target_name"`, `"Target_Name"`, badFormat, "does not know"),
		create(`"target_name":"ops"`, `"target_name":"ops","target_name":"ops"`, badFormat, "twice"),
		create(`{"target_type":"SMN","target_id":"urn","target_name":"ops"}`, `null`, badParam, "are needed"),
		create(`{"target_type":"SMN","target_id":"urn","target_name":"ops"}`, `[]`, badFormat, ""),
		create(`"state"`, `"event_id":"x","state"`, badFormat, "does not know"),

		update(``, badFormat, "empty"),
		update(`{"name":"ev-1"}`, badFormat, "does not change"),
		update(`{"event_types":[]}`, badParam, "empty"),
		update(`{"state":"OFF"}`, badParam, "state"),
		update(`{"notification":{"target_type":"SMN"}}`, badParam, "target_id"),
		send("PUT", "/csms/events/none", `{}`, 404, "CSMS.0005", ""),
		send("PUT", "/csms/events/a%20b", `{}`, 400, badParam, "the name of an event"),
		send("GET", "/csms/events/none", ``, 404, "CSMS.0005", ""),
		send("GET", "/csms/events/"+long, ``, 400, badParam, "the name of an event"),
		send("DELETE", "/csms/events/none", ``, 404, "CSMS.0005", ""),
		send("DELETE", "/csms/events/a.b", ``, 400, badParam, "the name of an event"),
		send("GET", "/csms/events?limit=0", ``, 400, badParam, "limit"),
		send("GET", "/csms/events?limit=1001", ``, 400, badParam, "limit"),
		send("GET", "/csms/events?limit=1&limit=1", ``, 400, badParam, "twice"),
		send("GET", "/csms/events?marker=a%20b", ``, 400, badParam, "the name of an event"),

		secret(`["ev-1","ev-1"]`), secret(`["none"]`), secret(`["a b"]`), secret(`["",""]`),
		send("PUT", "/secrets/taken", `{"event_subscriptions":["ev-1","ev-2"]}`, 400, badParam, "more than one"),

		send("GET", "/csms/tasks?limit=0", ``, 400, badParam, "limit"),
		send("GET", "/csms/tasks?limit=x", ``, 400, badParam, "limit"),
		send("GET", "/csms/tasks?status=success", ``, 400, badParam, "status"),
		send("GET", "/csms/tasks?secret_name=a%20b", ``, 400, badParam, ""),
		send("GET", "/csms/tasks?task_id=a&status=FAILED", ``, 400, badParam, "excludes"),
		send("GET", "/csms/tasks?task_id=a&task_id=b", ``, 400, badParam, "twice"),
	}
}

// TestEventQuota: the thirty-first event is one too many.
func TestEventQuota(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	for i := range 31 {
		body := strings.Replace(goodEvent, "ev-1", "e"+strings.Repeat("x", i), 1)
		a := message{Method: "POST", Path: "/csms/events", Body: body}.send(t, g)
		if full := i == 30; a.Status != 200 != full || full && (a.Status != 400 || a.Code != badParam || !strings.Contains(a.Msg, "at most 30")) {
			t.Fatalf("event %d: %d %s %s", i+1, a.Status, a.Code, a.Msg)
		}
	}
}
