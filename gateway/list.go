package gateway

import (
	"context"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// List returns a page of the secrets that the caller may list, as many as
// q.Limit asks for unless there are no more. What is in the trash is among
// them where the query wants it, until its time is over. Action: list.
func (s *Service) List(ctx context.Context, c Call, name string, q secret.Query) (secret.Page, error) {
	return run(ctx, s, c, access.List, Ref{Store: name}, func(ctx context.Context, j *job) (secret.Page, error) {
		now := s.now()
		page, err := fill(ctx, q, j.reach(), j.Backend.List, func(sec *secret.Secret) bool { return j.allowed(sec.Name) && !sec.Deleted.Over(now) })
		page.LeftOut = j.leftOut(page.LeftOut)
		return page, err
	})
}

type lister func(context.Context, secret.Query) (secret.Page, error)

// mostSkipped bounds the pages by which a list passes over what is hidden.
const mostSkipped = 1000

// fill reads pages until as many secrets that keep wants are found as the
// query asks for, or there are no more. What the page tells of others is
// nothing: the next one begins after the last secret of this one, and there is
// none where nothing follows that keep wants.
func fill(ctx context.Context, q secret.Query, reach access.Reach, list lister, keep func(*secret.Secret) bool) (out secret.Page, _ error) {
	defer func() { // what is beyond the page is told with the next one
		out.LeftOut = slices.DeleteFunc(out.LeftOut, func(l secret.LeftOut) bool { return l.Beyond(out.Next) })
	}()
	full := func() bool { return len(out.Secrets) >= max(q.Limit, 1) }
	ask := q
	ask.After = max(q.After, q.Under)
	for {
		if ask.After != "" { // the first page is read from the start: so products know it for one
			place, more := reach.Skip(ask.After)
			if !more {
				return out, nil
			}
			ask.After = place
		}
		page, err := list(ctx, ask)
		if err != nil {
			return secret.Page{}, err
		}
		out.LeftOut = append(out.LeftOut, under(q, page.LeftOut)...)
		before, wasFull := len(out.Secrets), full()
		for _, sec := range page.Secrets {
			switch {
			case !strings.HasPrefix(string(sec.Name), string(q.Under)): // sorted: nothing under it follows
				return out, nil
			case !keep(sec):
			case wasFull, q.Limit > 0 && full():
				out.Next = out.Secrets[len(out.Secrets)-1].Name
				return out, nil
			default:
				out.Secrets = append(out.Secrets, sec)
			}
		}
		switch {
		case page.Next == "":
			return out, nil
		case full() && reach.All && q.Under == "":
			out.Next = out.Secrets[len(out.Secrets)-1].Name
			return out, nil
		case full() && !wasFull: // does anything follow?
			ask.Limit = 1
		case len(out.Secrets) == before: // whole pages again: the rest of one may cost as many calls
			ask.Limit = min(2*ask.Limit, mostSkipped)
		}
		ask.After = page.Next
	}
}

// under is what of all is about the names that q asks for.
func under(q secret.Query, all []secret.LeftOut) []secret.LeftOut {
	return slices.DeleteFunc(all, func(l secret.LeftOut) bool { return !l.Under(q) })
}

// reach is where the names are on which the call may act.
func (j *job) reach() access.Reach {
	return j.policy.Reach(j.call.Caller, j.action, j.target(""))
}
