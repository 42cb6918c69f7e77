package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// OnConflict says what a restore does where the name is taken.
type OnConflict string

// The choices. The empty OnConflict is ConflictFail. None of them changes or
// removes what stands.
const (
	ConflictFail   OnConflict = "fail"
	ConflictSkip   OnConflict = "skip"
	ConflictAppend OnConflict = "append" // add the versions that the target lacks
	// ConflictRollback adds the backup's current value as a new version, where the
	// target's is another.
	ConflictRollback OnConflict = "rollback"
)

// RestoreOptions shape a restore. The zero value is what the wire APIs do.
type RestoreOptions struct {
	As         secret.Name // instead of the name in the blob
	Folder     secret.Name // of the target, to restore into; see Ref
	OnConflict OnConflict
	OnLoss     OnLoss // instead of the store's
	// OnLossOf is OnLoss of single words of losses.
	OnLossOf map[string]OnLoss
	// Archive takes what LossArchive keeps, instead of the gateway's.
	Archive archive.Dir
	// DryRun opens, authorises and forecasts, and writes nothing.
	DryRun bool
	// Foretell has a dry run answer losses that are not taken in
	// Outcome.Refused, with all else that would happen.
	Foretell bool
	// Append, if not nil, are the versions that an append may add: no others are.
	Append []secret.Ordinal
	// Token makes a repeat known: a restore with the same token completes what
	// one before it began. Empty: that of the blob.
	Token string
	// KeepTrash leaves what is in the trash there even if its time is over: the
	// name is Trashed.
	KeepTrash bool
	// LookBack has Outcome.Secret hold also what somebody else wrote to a new name in
	// the moment before, where the product cannot keep others out: one more look at it.
	LookBack bool
	// RepositoryKey is that of the repository of snapshots whose document the blob
	// is, wrapped for the keyring of this gateway. Empty: the keyring sealed it.
	RepositoryKey string
	// RepositoryVoucher is what proves who wrapped it.
	RepositoryVoucher string
	// CheckName, if not nil, is asked about the name to restore under before
	// anything is written: a dialect that could not spell it refuses here.
	CheckName func(secret.Name) error
}

// Outcome tells what a restore made of a document.
type Outcome struct {
	Origin backup.Origin
	// Secret is what stands now, without values. After a dry run: what would.
	Secret *secret.Secret
	// Versions maps ordinals of the document to those of the target.
	Versions map[secret.Ordinal]secret.Ordinal
	Losses   []secret.Loss
	Refused  string // why the losses are not taken, after a dry run that foretells
	// Archive is the file that holds the whole document, because the target
	// does not. After a dry run: that would.
	Archive  string
	Skipped  bool // the name is taken and OnConflict is skip
	Appended bool
	Added    int // versions that an append added, or would after a dry run
}

// Restore makes a secret from a blob. An existing secret is never changed but
// by ConflictAppend and ConflictRollback, which add versions. Action: restore, on the store before
// the blob is opened, then on the name and on where the blob came from.
func (s *Service) Restore(ctx context.Context, c Call, store string, blob []byte, o RestoreOptions) (*Outcome, error) {
	return run(ctx, s, c, access.Restore, Ref{Store: store, Name: ""}, func(ctx context.Context, j *job) (*Outcome, error) {
		sum := sha256.Sum256(blob)
		j.call.Digest = sum // whatever body it came in
		if j.takesNative(blob) {
			return s.restoreNative(ctx, j, blob, o)
		}
		doc, err := s.openBlob(blob, o)
		if err != nil {
			return nil, err
		}
		if s.proof && doc.ProvedBy == "" {
			return nil, secret.Errorf(secret.Denied, "nothing proves which gateway made this backup, and this one requires that: no key of its keyring signed %s", unproved(o))
		}
		j.blob = blob
		if o.RepositoryKey != "" {
			j.foreign = doc
		}
		return s.restore(ctx, j, doc, orDefault(o.Token, hex.EncodeToString(sum[:16])), o)
	})
}

// unproved is what nobody has signed.
func unproved(o RestoreOptions) string {
	if o.RepositoryKey != "" {
		return "the repository's key"
	}
	return "it"
}

func (s *Service) openBlob(blob []byte, o RestoreOptions) (*backup.Document, error) {
	if o.RepositoryKey == "" {
		return s.keys.Open(blob)
	}
	key, err := s.repositoryKey(o.RepositoryKey, o.RepositoryVoucher)
	if err != nil {
		return nil, err
	}
	return key.Open(blob)
}

// blobToKeep is what an archive takes, which the keyring opens by itself.
func (s *Service) blobToKeep(j *job) ([]byte, error) {
	if j.foreign != nil {
		return s.keys.Seal(j.foreign)
	}
	return j.blob, nil
}

func (s *Service) restore(ctx context.Context, j *job, doc *backup.Document, token string, o RestoreOptions) (*Outcome, error) {
	name := orDefault(o.As, into(o.Folder, doc))
	if err := name.Validate(); err != nil {
		return nil, err
	}
	sec := renamed(doc.Secret, name)
	j.entry.Name, j.entry.DryRun = string(sec.Name), o.DryRun
	j.entry.Origin = &audit.Origin{Gateway: doc.Origin.Gateway, Store: doc.Origin.Store, Name: string(doc.Origin.Name)}
	j.sawVersions(sec)
	if !s.policy.AllowRestore(j.call.Caller, j.target(sec.Name), s.from(doc.Origin)) {
		return nil, &secret.Error{Kind: secret.Denied, Name: sec.Name, Detail: "no permission to restore this secret from where the backup came"}
	}
	if o.CheckName != nil {
		if err := o.CheckName(sec.Name); err != nil {
			return nil, err
		}
	}
	if !o.DryRun {
		if err := s.intend(j); err != nil {
			return nil, err
		}
	}
	return s.writeRestored(ctx, j, sec, token, o, doc.Origin)
}

// from is an origin as the policy sees it.
func (s *Service) from(o backup.Origin) access.Origin {
	from := access.Origin{Own: o.Gateway == s.Gateway(), Store: o.Store, Name: o.Name}
	if st, ok := s.stores[o.Store]; ok && from.Own {
		from.FoldCase = st.caps.FoldsCase
	}
	return from
}

// writeRestored writes sec, or finds out that it must not.
func (s *Service) writeRestored(ctx context.Context, j *job, sec *secret.Secret, token string, o RestoreOptions, origin backup.Origin) (*Outcome, error) {
	sec, left := leaveSource(j.Backend, sec)
	looks := o.OnConflict != "" && o.OnConflict != ConflictFail
	if !o.DryRun && !looks {
		return s.writeNew(ctx, j, sec, left, token, o, &Outcome{Origin: origin})
	}
	write := func() (out *Outcome, moved bool, err error) {
		j.entry.Losses = nil
		have, mark, err := j.describeMarked(ctx, sec.Name)
		switch {
		case err == nil:
			out, err = s.conflict(ctx, j, have, mark, sec, left, o, &Outcome{Origin: origin})
			moved = errors.Is(err, secret.Conflict) || errors.Is(err, secret.NotFound) || errors.Is(err, secret.Trashed)
			return out, moved && mark != "", err
		case secret.KindOf(err) != secret.NotFound:
			return nil, false, err
		}
		out, err = s.writeNew(ctx, j, sec, left, token, o, &Outcome{Origin: origin})
		return out, looks && j.marker != nil && errors.Is(err, secret.AlreadyExists), err
	}
	if o.DryRun {
		out, _, err := write()
		return out, err
	}
	return untilAlone(ctx, j, sec.Name, write)
}

// writeNew makes the secret.
func (s *Service) writeNew(ctx context.Context, j *job, sec *secret.Secret, left []secret.Loss, token string, o RestoreOptions, out *Outcome) (*Outcome, error) {
	dropped, err := s.beforeRestore(ctx, j, sec)
	if err != nil {
		return nil, err
	}
	if len(dropped) > 0 {
		sec, left = loss.Apply(sec, dropped), append(left, dropped...)
	}
	if err := s.acceptLosses(j, sec, sec, append(j.Backend.Forecast(sec), left...), o, out); err != nil {
		return nil, err
	}
	if o.DryRun {
		if err := s.heldByTrash(ctx, j, sec.Name, o.KeepTrash); err != nil {
			return nil, describeTaken(err, sec)
		}
		return dryRunOutcome(j, loss.Apply(sec, out.Losses), out), nil
	}
	repeated := s.unknown.repeatedBy(j)
	made, err := j.Backend.Import(ctx, sec, token)
	if errors.Is(err, secret.Trashed) && !o.KeepTrash && s.purgeExpired(ctx, j, sec.Name) {
		made, err = j.Backend.Import(ctx, sec, token)
	}
	if repeated && errors.Is(err, secret.AlreadyExists) {
		made, err = findUnknownImport(ctx, j, loss.Apply(sec, out.Losses), err)
	}
	s.unknown.remember(j, secret.UID{}, err)
	if err != nil {
		return nil, describeTaken(describePartial(j, err, sec, made), sec)
	}
	j.sawVersions(made.Secret)
	s.afterWrite(ctx, j, hook.Restore, made.Secret)
	out.Secret = made.Secret
	out.Versions = sameOrdinals(made.Secret)
	if o.LookBack && !j.caps.AtomicCreate {
		if out.Secret, err = j.Backend.Describe(ctx, sec.Name); err != nil {
			return nil, &secret.Error{Kind: secret.Unknown, Name: sec.Name, Err: secret.Cause(err), Detail: "all is written, and nobody knows what else was" + told(err)}
		}
	}
	return out, nil
}

// dryRunOutcome is the outcome of a dry run. would is what would stand.
func dryRunOutcome(j *job, would *secret.Secret, out *Outcome) *Outcome {
	j.entry.Versions = nil
	out.Secret = would.WithoutValues()
	return out
}

func (s *Service) conflict(ctx context.Context, j *job, have *secret.Secret, mark secret.Mark, sec *secret.Secret, left []secret.Loss, o RestoreOptions, out *Outcome) (*Outcome, error) {
	switch o.OnConflict {
	case ConflictSkip:
		out.Secret, out.Skipped = have, true
		j.entry.Versions, j.entry.Result = nil, audit.Skipped
		return out, nil
	case ConflictAppend:
		return s.appendVersions(ctx, j, mark, sec, left, o, out)
	case ConflictRollback:
		return s.rollback(ctx, j, mark, sec, left, o, out)
	}
	return nil, &secret.Error{Kind: secret.AlreadyExists, Name: sec.Name, Detail: "a secret of this name exists"}
}

func sameOrdinals(sec *secret.Secret) map[secret.Ordinal]secret.Ordinal {
	m := make(map[secret.Ordinal]secret.Ordinal, len(sec.Versions))
	for i := range sec.Versions {
		m[sec.Versions[i].Ordinal] = sec.Versions[i].Ordinal
	}
	return m
}

// describePartial tells the caller of an import that stopped midway what
// stands, in numbers of versions, and what the product said; and the audit which.
func describePartial(j *job, err error, sec *secret.Secret, made *backends.Imported) error {
	k := secret.KindOf(err)
	if made == nil || (k != secret.Partial && k != secret.Unknown) {
		return err
	}
	j.entry.Versions = nil
	for _, o := range made.Stands {
		j.entry.Versions = append(j.entry.Versions, int64(o))
	}
	return &secret.Error{
		Kind: k, Name: sec.Name, Err: err, RetryAfter: retryAfterOf(err),
		Detail: howManyStand(len(made.Stands), len(sec.Versions)) + told(err),
	}
}

// told is what may be told of a product's answer behind err.
func told(err error) string {
	if a, ok := errors.AsType[*kit.Answer](err); ok {
		return a.Told()
	}
	return ""
}

// retryAfterOf is when the product wants to be asked again, if it said.
func retryAfterOf(err error) time.Duration {
	if e, ok := errors.AsType[*secret.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
