package e2e

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
)

// faultStatus is how each dialect answers the kinds that a fault may come to.
var faultStatus = map[string]map[secret.Kind]int{
	"azure":  {secret.Throttled: 429, secret.Unavailable: 503, secret.Unknown: 503, secret.Partial: 503, secret.AlreadyExists: 409},
	"huawei": {secret.Throttled: 429, secret.Unavailable: 502, secret.Unknown: 504, secret.Partial: 500, secret.AlreadyExists: 400},
}

// kindNamed is the kind that an audit line names; nil for "ok".
func kindNamed(result string) error {
	if result == "ok" {
		return nil
	}
	for _, k := range secret.Kinds() {
		if k.Error() == result {
			return k
		}
	}
	return errors.New("no kind: " + result)
}

// agree wants the answer to be that of the audited kind.
func agree(t *testing.T, dialect string, e audit.Entry, err error) {
	t.Helper()
	kind := kindNamed(e.Result)
	if kind == nil || err == nil {
		if kind != nil || err != nil {
			t.Errorf("the audit says %q, and the client is told: %v", e.Result, err)
		}
		return
	}
	status, _, typed := vendorError(err)
	if !typed {
		t.Errorf("no typed error of a vendor: %T", err)
	}
	if want := faultStatus[dialect][secret.KindOf(kind)]; status != want {
		t.Errorf("the audit says %q, and the client is told %d: %v", e.Result, status, err)
	}
}

// audited returns the outcome of the latest call of the action, which must have
// an intent before it and the losses that were foretold.
func (l *faultLine) audited(t *testing.T, a access.Action, losses []secret.Loss) audit.Entry {
	t.Helper()
	var out audit.Entry
	intended := map[string]bool{}
	for _, e := range l.Audit.EntriesOf(t, l.store) {
		switch {
		case e.Action != string(a) || e.Store != l.store: // a line names the source's store as well
		case e.Name != faulted:
			t.Errorf("an audit line of %s names %q", a, e.Name)
		case e.Phase == audit.Intent:
			intended[e.RequestID] = true
		case e.Phase == audit.Outcome:
			out = e
		}
	}
	if !intended[out.RequestID] {
		t.Fatalf("the audit has no intent and outcome of %s", a)
	}
	var want []string
	for _, l := range losses {
		want = append(want, l.String())
	}
	if !slices.Equal(out.Losses, want) {
		t.Errorf("the audit has the losses %q, want %q", out.Losses, want)
	}
	return out
}

// honest wants what the gateway shows to be true, and as the result says.
func (l *faultLine) honest(t *testing.T, result string, losses []secret.Loss) {
	t.Helper()
	now, err := l.Export(t.Context(), faulted)
	if err != nil && !errors.Is(err, secret.NotFound) {
		t.Errorf("what stands cannot be asked for: %v", err)
	}
	if now != nil {
		neverWrong(t, loss.Apply(l.doc, losses), now)
	}
	same := now != nil && len(backendtest.Differences(l.doc, now, losses)) == 0
	listed := len(l.listed(t)) > 0
	if listed && !same {
		t.Error("half a secret is listed")
	}
	switch kind := kindNamed(result); {
	case kind == nil:
		if !listed {
			t.Errorf("all is said to be well, and the secret is not listed: %v", err)
		}
	case errors.Is(kind, secret.Unavailable), errors.Is(kind, secret.Throttled):
		if holds := l.look(t); now != nil || holds.versions > 0 { // what speaks of a version alone is nothing
			t.Errorf("nothing is said to be changed (%v), and the product holds %q", kind, holds.things)
		}
	case errors.Is(kind, secret.Partial):
		if listed {
			t.Error("a part is said to be done, and all of it is")
		}
	case !errors.Is(kind, secret.Unknown):
		t.Errorf("a fault on the line is told as %v", kind)
	}
}

// neverWrong wants each version that is shown to be the document's, with its
// value, and disabled if it is there.
func neverWrong(t *testing.T, want, now *secret.Secret) {
	t.Helper()
	for i := range now.Versions {
		v := &now.Versions[i]
		of := want.Find(secret.ByOrdinal(v.Ordinal))
		switch {
		case of == nil || !of.UID.IsZero() && of.UID != v.UID:
			t.Errorf("version %d, %v, is none of the document's", v.Ordinal, v.UID)
		case of.Disabled && !v.Disabled:
			t.Errorf("version %d is disabled, and can be read", v.Ordinal)
		case !v.Value.Equal(of.Value) && v.Missing != secret.Unreadable:
			t.Errorf("version %d has another value", v.Ordinal)
		}
	}
}

var standing = regexp.MustCompile(`(\d+) of (\d+) versions stand`)

// stated wants the part that an answer and the audit name to be what stands.
func (l *faultLine) stated(t *testing.T, f *importFault, told audit.Entry, err error) {
	t.Helper()
	kind := secret.KindOf(kindNamed(told.Result))
	if told.Result == "ok" || kind != secret.Partial && kind != secret.Unknown {
		return
	}
	stands, named := l.look(t).versions, told.Versions
	// Of what is not known one more may stand.
	if n := len(named); n > stands || kind == secret.Partial && n != stands || stands-n > 1 {
		t.Errorf("the audit names the versions %d, and %d stand", named, stands)
	}
	if f.leaves || f.dialect == "azure" && kind == secret.Unknown {
		return // no word reaches the client
	}
	_, message, _ := vendorError(err)
	if m := standing.FindStringSubmatch(message); m == nil || m[1] != strconv.Itoa(len(named)) || m[2] != strconv.Itoa(len(l.doc.Versions)) {
		t.Errorf("the audit names the versions %d, and the client is told: %s", named, message)
	}
}
