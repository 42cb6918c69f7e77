package kit

import (
	"cmp"
	"slices"

	"github.com/vaultferry/vaultferry/secret"
)

// JoinPages makes one page of two that begin at the same name. What lies beyond the
// end of either belongs to a later page; of a secret that moved between the two
// while they were read, the one in a counts.
func JoinPages(limit int, a, b secret.Page) secret.Page {
	out := secret.Page{Secrets: slices.Concat(a.Secrets, b.Secrets), Next: a.Next}
	if out.Next == "" || (b.Next != "" && b.Next < out.Next) {
		out.Next = b.Next
	}
	slices.SortStableFunc(out.Secrets, func(x, y *secret.Secret) int { return cmp.Compare(x.Name, y.Name) })
	out.Secrets = slices.CompactFunc(out.Secrets, func(x, y *secret.Secret) bool { return x.Name == y.Name })
	if out.Next != "" {
		out.Secrets = slices.DeleteFunc(out.Secrets, func(x *secret.Secret) bool { return x.Name > out.Next })
	}
	if limit > 0 && len(out.Secrets) > limit {
		out.Secrets = out.Secrets[:limit]
		out.Next = out.Secrets[limit-1].Name
	}
	return out
}

// PageOf sorts what a store holds and cuts one page out of it, limit long where
// the query has no limit of its own.
func PageOf(q secret.Query, all []*secret.Secret, limit int) secret.Page {
	slices.SortFunc(all, func(a, b *secret.Secret) int { return cmp.Compare(a.Name, b.Name) })
	from, found := slices.BinarySearchFunc(all, q.After, func(s *secret.Secret, n secret.Name) int { return cmp.Compare(s.Name, n) })
	if found {
		from++
	}
	if q.Limit > 0 {
		limit = q.Limit
	}
	p := secret.Page{Secrets: all[from:min(from+limit, len(all))]}
	if from+limit < len(all) {
		p.Next = p.Secrets[limit-1].Name
	}
	return p
}
