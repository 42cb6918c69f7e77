package e2e

import (
	"errors"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"
)

// verdict is how a call of an SDK must end.
type verdict struct {
	status int
	code   string
	audit  []string
}

// sdkCalls fail in the same way for both vendors' clients.
var sdkCalls = map[string]struct {
	store         string
	call          func(*testing.T, *badWorld, client) error
	azure, huawei verdict
}{
	"backup of nobody": {
		"main", backingUp("nobody"),
		verdict{404, "SecretNotFound", reading("azure.BackupSecret", "backup", "main/nobody", "not found")},
		verdict{404, "CSMS.0106", reading("huawei.DownloadSecretBlob", "backup", "main/nobody", "not found")},
	},
	"backup of what is not ours": {
		"private", backingUp("theirs"),
		verdict{403, "Forbidden", reading("azure.BackupSecret", "backup", "private/theirs", "denied")},
		verdict{403, "CSMS.0302", reading("huawei.DownloadSecretBlob", "backup", "private/theirs", "denied")},
	},
	"restore of a damaged blob": {
		"spare", restoringFrom(turned(3, 300)),
		verdict{400, "Malformed backup blob", restoring(opAzure, "spare/-", "corrupt")},
		verdict{400, "CSMS.0002", restoring(opHuawei, "spare/-", "corrupt")},
	},
	"restore of others' secret": {
		"spare", restoringFrom(theirs),
		verdict{403, "Forbidden", restoring(opAzure, "spare/theirs", "denied")},
		verdict{403, "CSMS.0302", restoring(opHuawei, "spare/theirs", "denied")},
	},
	"restore onto what is there": {
		"main", restoringFrom(taken),
		verdict{409, "Conflict", restoring(opAzure, "main/taken", "already exists")},
		verdict{400, "CSMS.0101", restoring(opHuawei, "main/taken", "already exists")},
	},
	"restore with a loss": {
		"strict", restoringFrom(taken),
		verdict{400, "BadParameter", restoring(opAzure, "strict/taken", "lossy")},
		verdict{400, "CSMS.0003", restoring(opHuawei, "strict/taken", "lossy")},
	},
	"restore into a store that is read-only": {
		"locked", restoringFrom(taken),
		verdict{403, "Forbidden", reading(opAzure, "restore", "locked/-", "denied")},
		verdict{403, "CSMS.0302", reading(opHuawei, "restore", "locked/-", "denied")},
	},
}

func backingUp(name string) func(*testing.T, *badWorld, client) error {
	return func(t *testing.T, _ *badWorld, c client) error {
		_, err := c.backup(t.Context(), name)
		return err
	}
}

func restoringFrom(b making) func(*testing.T, *badWorld, client) error {
	return func(t *testing.T, w *badWorld, c client) error {
		blob := b(t, w)
		w.mark(t)
		_, err := c.restore(t.Context(), blob)
		return err
	}
}

// TestBadInputThroughSDKs: the vendors' clients make their own typed errors of
// the answers, with status, code and request id.
func TestBadInputThroughSDKs(t *testing.T) {
	t.Parallel()
	for name, c := range sdkCalls {
		for dialect, want := range map[string]verdict{"azure": c.azure, "huawei": c.huawei} {
			t.Run(name+" "+dialect, func(t *testing.T) {
				t.Parallel()
				w := newBadWorld(t, nil)
				w.mark(t)
				err := c.call(t, w, dialects[dialect](t, w.Gateway, c.store))
				id := want.check(t, err)
				lines := want.audit
				if dialect == "azure" { // the first request of a client fetches the challenge
					id, lines = "", append([]string{unproved(want.audit[0])}, lines...)
				}
				w.checkAudit(t, id, lines)
				w.checkUnchanged(t)
				w.checkSilent(t, "the error", err.Error())
				w.checkSilent(t, "the log", w.log.String())
			})
		}
	}
}

// unproved is the line of the request that precedes the one of the given line.
// A restore has no name then.
func unproved(line string) string {
	words := strings.Fields(line)
	where := words[4]
	if words[1] == opAzure { // no blob is opened for nobody
		store, _, _ := strings.Cut(where, "/")
		where = store + "/-"
	}
	return "outcome " + words[1] + " - - " + where + " unauthenticated"
}

// check returns the request id that the client shows.
func (v verdict) check(t *testing.T, err error) string {
	t.Helper()
	var az *azcore.ResponseError
	var hw *sdkerr.ServiceResponseError
	status, code, id := 0, "", ""
	switch {
	case errors.As(err, &az):
		status, code, id = az.StatusCode, az.ErrorCode, az.RawResponse.Header.Get("x-ms-request-id")
	case errors.As(err, &hw):
		status, code, id = hw.StatusCode, hw.ErrorCode, hw.RequestId
	default:
		t.Fatalf("no typed error of a vendor: %T", err)
	}
	if status != v.status || code != v.code || id == "" {
		t.Errorf("%d %q with request id %q, want %d %q", status, code, id, v.status, v.code)
	}
	return id
}
