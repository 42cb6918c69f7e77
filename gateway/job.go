package gateway

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
)

// job is one call on its way through run.
type job struct {
	*store
	call   Call
	action access.Action
	ref    Ref
	blob   []byte // of a restore
	// foreign is the document in a blob that the keyring does not open by itself.
	foreign *backup.Document
	entry   audit.Entry
	start   time.Time
	// intended: the line of intent is written.
	intended  bool
	opened    []secret.Ordinal // versions that were opened to be read, and why that was needed
	openedFor secret.Missing
	lacking   int // what a list should show and cannot
	policy    *access.Policy
	trace     trace.TraceID // zero: the request is of none
	trashed   func()        // gives the lock of holdTrash back; nil: not held
	one       [1]int64      // room for entry.Versions: most calls touch one
}

// allowed is how an operation asks for a name that it learnt midway.
func (j *job) allowed(name secret.Name) bool {
	return j.policy.Allow(j.call.Caller, j.action, j.target(name))
}

func (j *job) target(name secret.Name) access.Target {
	return access.Target{Store: j.Name, Name: name, FoldCase: j.caps.FoldsCase}
}

// sawVersions has the audit name the versions a call touched.
func (j *job) sawVersions(sec *secret.Secret) {
	j.entry.Versions = slices.Grow(j.entry.Versions[:0], len(sec.Versions))
	for i := range sec.Versions {
		j.entry.Versions = append(j.entry.Versions, int64(sec.Versions[i].Ordinal))
	}
}

func (s *Service) newJob(st *store, c Call, a access.Action, r Ref) *job {
	j := &job{store: st, call: c, action: a, ref: r, start: s.now(), policy: s.policy, entry: audit.Entry{
		RequestID: c.RequestID, Caller: c.Caller.ID, Credential: c.Caller.Credential, Address: c.Address, Via: c.Caller.Via,
		Op: c.Op, Action: string(a), Store: r.Store, Name: string(r.Name), Event: r.Event,
	}}
	j.entry.Versions = j.one[:0]
	return j
}

// mutates reports whether the action changes the store.
func mutates(a access.Action) bool {
	return a != access.Get && a != access.List && a != access.Backup
}
