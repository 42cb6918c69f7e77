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
