package huaweicsms

import (
	"net/http"
	"testing"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// TestStateOvertaken: of two gateways that write one state record at once, the
// one that came second gives way.
func TestStateOvertaken(t *testing.T) {
	t.Parallel()
	const record = "/secrets/" + statePrefix + "events"
	for _, number := range []string{"v2", "v3"} {
		b, s := script(t, map[string][]http.HandlerFunc{
			"GET " + record + "/versions":          {reply(200, metas)},
			"POST " + record + "/versions":         {reply(200, `{"version_metadata":{"id":"`+number+`","create_time":1581507590000}}`)},
			"PUT " + record + "/stages/SYSCURRENT": {reply(200, `{"stage":{"name":"SYSCURRENT","version_id":"v2"}}`)},
		})
		err := b.WriteState(t.Context(), "events", []byte(`{}`), "v1")
		moved := s.count("PUT " + record + "/stages/SYSCURRENT")
		if number == "v2" && (err != nil || moved != 0) {
			t.Errorf("the next number: %v", err)
		}
		if number == "v3" && (!kit.Is(err, secret.Conflict) || moved != 1) {
			t.Errorf("another one's number between: %v", err)
		}
	}
}

// TestStateDeleted: a state record that native tools delete is none, and its
// name stays theirs to free.
func TestStateDeleted(t *testing.T) {
	t.Parallel()
	pending := reply(400, `{"error_code":"CSMS.0103","error_msg":"The secret is in the scheduled deletion state."}`)
	const record = "/secrets/" + statePrefix + "events"
	b, _ := script(t, map[string][]http.HandlerFunc{
		"GET " + record + "/versions":        {reply(200, metas)},
		"GET " + record + "/versions/latest": {pending}, "POST " + record + "/versions": {pending},
	})
	_, _, err := b.ReadState(t.Context(), "events")
	wantKind(t, "ReadState", err, secret.NotFound)
	wantKind(t, "WriteState", b.WriteState(t.Context(), "events", []byte(`{}`), "v1"), secret.Trashed)
}
