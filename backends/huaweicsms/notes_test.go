package huaweicsms

import (
	"net/http"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestNoteOvertaken: of two gateways that write one note at once, the one that
// came second gives way.
func TestNoteOvertaken(t *testing.T) {
	t.Parallel()
	const note = "/secrets/" + notePrefix + "events"
	for _, number := range []string{"v2", "v3"} {
		b, s := script(t, map[string][]http.HandlerFunc{
			"GET " + note + "/versions":          {reply(200, metas)},
			"POST " + note + "/versions":         {reply(200, `{"version_metadata":{"id":"`+number+`","create_time":1581507590000}}`)},
			"PUT " + note + "/stages/SYSCURRENT": {reply(200, `{"stage":{"name":"SYSCURRENT","version_id":"v2"}}`)},
		})
		err := b.WriteState(t.Context(), "events", []byte(`{}`), "v1")
		moved := s.count("PUT " + note + "/stages/SYSCURRENT")
		if number == "v2" && (err != nil || moved != 0) {
			t.Errorf("the next number: %v", err)
		}
		if number == "v3" && (!is(err, secret.Conflict) || moved != 1) {
			t.Errorf("another one's number between: %v", err)
		}
	}
}

// TestNoteDeleted: a note that native tools delete is none, and its name stays
// theirs to free.
func TestNoteDeleted(t *testing.T) {
	t.Parallel()
	pending := reply(400, `{"error_code":"CSMS.0103","error_msg":"The secret is in the scheduled deletion state."}`)
	const note = "/secrets/" + notePrefix + "events"
	b, _ := script(t, map[string][]http.HandlerFunc{
		"GET " + note + "/versions":        {reply(200, metas)},
		"GET " + note + "/versions/latest": {pending}, "POST " + note + "/versions": {pending},
	})
	_, _, err := b.ReadState(t.Context(), "events")
	wantKind(t, "ReadState", err, secret.NotFound)
	wantKind(t, "WriteState", b.WriteState(t.Context(), "events", []byte(`{}`), "v1"), secret.Trashed)
}
