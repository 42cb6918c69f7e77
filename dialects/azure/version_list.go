package azure

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/secret"
)

// listVersions goes by version id, not by age. A secret that is not there has
// an empty list.
func (d *Dialect) listVersions(q *request) (wire.Reply, error) {
	size, err := q.pageSize()
	if err != nil {
		return wire.Reply{}, err
	}
	key, err := q.position()
	if err != nil {
		return wire.Reply{}, err
	}
	part := secret.Part{ByUID: true, Limit: size, Show: holdsValue}
	if part.After, err = afterVersion(key); err != nil {
		return wire.Reply{}, err
	}
	p, err := d.service.Versions(q.Context(), d.call(q.Request), q.ref(), part)
	switch {
	case errors.Is(err, secret.NotFound):
		return answer(pageOf[bundle](q, nil, ""))
	case err != nil:
		return wire.Reply{}, err
	}
	shown := p.Secret.Versions
	slices.SortFunc(shown, func(a, b secret.Version) int { return bytes.Compare(a.UID[:], b.UID[:]) })
	var items []bundle
	for i := range shown {
		items = append(items, q.bundleOf(p.Secret, &shown[i]).withVersion(&shown[i]))
	}
	next := ""
	if p.More {
		next = spell(q.inside(p.Secret.Name)) + "/" + shown[len(shown)-1].UID.String()
	}
	return answer(pageOf(q, items, next))
}

// holdsValue reports whether Key Vault could hold v: it knows no version whose
// value is gone.
func holdsValue(_ *secret.Secret, v *secret.Version) bool { return !v.Gone() }

// afterVersion is the version at a list's position; that of a list of secrets
// has none.
func afterVersion(key string) (secret.Selector, error) {
	_, version, ok := strings.Cut(key, "/")
	if !ok {
		return secret.Selector{}, nil
	}
	uid, ok := secret.ParseUID(version)
	if !ok {
		return secret.Selector{}, unworded("$skiptoken", "not one that this vault gives out")
	}
	return secret.ByUID(uid), nil
}
