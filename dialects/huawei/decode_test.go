package huawei

import (
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestMisfits: a body that does not decode is told by the member that is wrong,
// and by nothing that stands in it.
func TestMisfits(t *testing.T) {
	t.Parallel()
	const fits = " is not of the type that this operation takes"
	for _, c := range []struct {
		into any
		body string
		want string
	}{
		{new(instancesBody), `{"limit":true}`, "limit" + fits},
		{new(instancesBody), `{"limit":1.5}`, "limit" + fits},
		{new(instancesBody), `{"limit":["canary"]}`, "limit" + fits},
		{new(instancesBody), `{"action":"filter","offset":{"canary":1}}`, "offset" + fits},
		{new(instancesBody), `{"tags":"canary"}`, "tags" + fits},
		{new(createSecretBody), `{"secret_string":7}`, "secret_string" + fits},
		{new(scheduleBody), `{"recovery_window_in_days":"canary"}`, "recovery_window_in_days" + fits},
		{new(showVersionsBody), `{"secret_name_list":["canary",7]}`, "secret_name_list" + fits},
		{new(instancesBody), `{"limit":1,"limit":2}`, "limit stands twice in the body"},
		{new(instancesBody), `{"canary":1}`, "the body has a member that this operation does not know: it takes action, limit, matches, offset, sequence, tags"},
		{new(instancesBody), `{"limit":canary}`, "the body is not a JSON object"},
		{new(instancesBody), `{"limit":1} canary`, "the body is not a JSON object"},
		{new(instancesBody), `["canary"]`, "the body is not the JSON object that this operation takes"},
		{new(instancesBody), `null`, "the body is not a JSON object"},
	} {
		err := decode([]byte(c.body), c.into)
		if got := secret.DetailOf(err); got != c.want || err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %q, want %q", c.body, got, c.want)
		}
	}
}
