package huawei

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/dialects/wiretest"
	"github.com/vaultferry/vaultferry/secret"
)

func TestEveryKindHasAnAnswer(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"huawei.ShowSecret", "huawei.ShowSecretVersion", "huawei.ListSecretTags", ""} {
		wiretest.CheckErrors(t,
			func(k secret.Kind) bool { p := problems[k]; return p.status != 0 && p.code != "" && p.msg != "" },
			func(err error) wire.Reply { return answer(op, "id", err) })
	}
}

// TestOnlyMissingIsGone: clients drop what answers 404 from their state.
func TestOnlyMissingIsGone(t *testing.T) {
	t.Parallel()
	for _, k := range secret.Kinds() {
		if got := answer("huawei.ShowSecret", "", k).Status == 404; got != (k == secret.NotFound) {
			t.Errorf("kind %q answers 404: %v", k, got)
		}
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		op   string
		err  error
		want string
	}{
		"flat":     {"huawei.ShowSecret", secret.NotFound, `{"error_code":"CSMS.0106","error_msg":"The secret name not found int the db."}`},
		"nested":   {"huawei.ListSecretTags", secret.Errorf(secret.Unsupported, "no"), `{"error":{"error_code":"CSMS.0003","error_msg":"The request is invalid. (no)"}}`},
		"gateway":  {"huawei.ListSecretTags", secret.Unauthenticated, `{"error_msg":"Incorrect IAM authentication information:","error_code":"APIGW.0301","request_id":"7"}`},
		"no route": {"", &secret.Error{Kind: secret.NotFound, Err: wire.ErrNoRoute}, `{"error_msg":"The API does not exist or has not been published in the environment.","error_code":"APIGW.0101","request_id":"7"}`},
		"too long": {
			"huawei.CreateSecret", secret.Errorf(secret.Invalid, "%s", strings.Repeat("é", 400)),
			`{"error_code":"CSMS.0002","error_msg":"The value of parameter is invalid. (` + strings.Repeat("é", 236) + `...)"}`,
		},
	} {
		b, err := json.Marshal(answer(c.op, "7", c.err).Body)
		if err != nil || string(b) != c.want {
			t.Errorf("%s: got %s (%v), want %s", name, b, err, c.want)
		}
	}
}

func TestRetryAfterIsRoundedUp(t *testing.T) {
	t.Parallel()
	rep := answer("", "", &secret.Error{Kind: secret.Throttled, RetryAfter: 1200 * time.Millisecond})
	if got := rep.Header.Get("Retry-After"); got != "2" {
		t.Errorf("got %q", got)
	}
	if rep := answer("", "", errors.New("x")); rep.Header.Get("Retry-After") != "" {
		t.Error("a delay that nobody named")
	}
}
