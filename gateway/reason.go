package gateway

import (
	"errors"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// untold are the kinds of which a client never learns a reason. A denied caller
// is told that he is; what is not there must read like what may not be seen;
// the rest is between the operator and the product. The audit has them all.
var untold = map[secret.Kind]bool{
	secret.Internal: true, secret.Unauthenticated: true, secret.Denied: true, secret.NotFound: true, secret.Upstream: true,
}

// Reason returns what the caller of c may be told of why err came, as one line
// of printable ASCII; empty: nothing. r is what the request was about, as far as
// it is known, and a the action that its operation needs. An error that came out
// of an operation was past the policy, any other is told to those alone who may
// do the action. Without an action, whoever may do anything in the store is.
func (s *Service) Reason(c Call, a access.Action, r Ref, err error) string {
	if err == nil || untold[secret.KindOf(err)] {
		return ""
	}
	var done auditedError
	if !errors.As(err, &done) && !s.mayKnow(c, a, r) {
		return ""
	}
	return secret.ReasonOf(err)
}

func (s *Service) mayKnow(c Call, a access.Action, r Ref) bool {
	st, ok := s.stores[r.Store]
	switch {
	case !ok || c.Caller.ID == "":
		return false
	case a == "":
		return s.policy.MayUse(c.Caller, r.Store)
	}
	return s.authorise(s.newJob(st, c, a, r)) == nil
}
