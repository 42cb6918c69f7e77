package gateway

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// purgeExpired makes room where a name is held only by what is over: it purges
// that and reports whether the write may be tried again.
//
// Another gateway that purges the name, makes it anew and deletes it again
// between the look and the purge loses that deletion's secret, where the product
// offers no way to purge one deletion and no other.
func (s *Service) purgeExpired(ctx context.Context, j *job, name secret.Name) bool {
	release, err := j.trash.Lock(ctx, name)
	if err != nil {
		return false
	}
	defer release()
	sec, err := j.Backend.DescribeTrash(ctx, name)
	switch {
	case errors.Is(err, secret.NotFound): // another has made room meanwhile
		return true
	case err != nil || !sec.Deleted.Over(s.now()):
		return false
	}
	err = s.purgeAudited(ctx, j, sec)
	return err == nil || errors.Is(err, secret.NotFound)
}

// purgeAudited is a purge within another call. It has its own audit lines: what
// is gone for ever must not be found under "set" alone.
func (s *Service) purgeAudited(ctx context.Context, j *job, sec *secret.Secret) error {
	e := audit.Entry{
		Phase: audit.Intent, RequestID: j.call.RequestID, Caller: j.call.Caller.ID, Address: j.call.Address, Via: j.call.Caller.Via,
		Op: j.call.Op, Action: string(access.Purge), Store: j.Name, Name: string(sec.Name),
	}
	if err := s.audit.Write(e, true); err != nil {
		return &secret.Error{Kind: secret.Internal, Op: j.call.Op, Err: err}
	}
	err := j.purge(ctx, sec)
	e.Phase, e.Result, e.Reason = audit.Outcome, result(err), secret.ReasonOf(err)
	if auditErr := s.audit.Write(e, true); auditErr != nil {
		return &secret.Error{Kind: secret.Internal, Op: j.call.Op, Err: auditErr}
	}
	if err == nil {
		s.afterWrite(ctx, j, hook.Purge, sec)
	}
	return err
}
