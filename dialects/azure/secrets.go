package azure

import (
	"context"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// setSecret makes the secret or adds a version, which becomes current. Nothing
// is inherited from the version before.
func (d *Dialect) setSecret(q *request) (wire.Reply, error) {
	body, err := q.json()
	if err != nil {
		return wire.Reply{}, err
	}
	draft, err := decodeSet(body)
	if err != nil {
		return wire.Reply{}, err
	}
	draft.NewExtra = spelling(q.Vars["name"])
	call := d.call(q.Request)
	call.Digest = q.Digest()
	s, err := d.service.Put(q.Context(), call, q.ref(), draft)
	if err != nil {
		return wire.Reply{}, err
	}
	return q.withValue(s)
}

// getSecret shows expired versions too, as the service does.
func (d *Dialect) getSecret(q *request) (wire.Reply, error) {
	sel, err := q.selector()
	if err == nil {
		err = q.checkOutput()
	}
	if err != nil {
		return wire.Reply{}, err
	}
	s, err := d.service.Get(q.Context(), d.call(q.Request), q.ref(), sel)
	if err != nil {
		return wire.Reply{}, err
	}
	return q.withValue(s)
}

// checkOutput takes the wish for another content type without effect, in every
// api-version: it is about certificates, and none are kept here. Inferred, as
// is that every other value is refused.
func (q *request) checkOutput() error {
	const name = "outContentType"
	if wish := param(q.query, fold(name)); q.query.Has(fold(name)) && wish != typePFX && wish != typePEM {
		return refuse(secret.Invalid, wrongOutput, name+": neither "+typePFX+" nor "+typePEM)
	}
	return nil
}

func (q *request) withValue(s *secret.Secret) (wire.Reply, error) {
	v := s.Newest()
	return answer(q.bundleOf(s, v).withVersion(v).withValue(v))
}

// updateSecret changes attributes of one version, disabled or not. What the
// body does not mention stays.
func (d *Dialect) updateSecret(q *request) (wire.Reply, error) {
	body, err := q.json()
	if err != nil {
		return wire.Reply{}, err
	}
	patch, err := decodeUpdate(body)
	if err != nil {
		return wire.Reply{}, err
	}
	sel, err := q.selector()
	if err != nil {
		return wire.Reply{}, err
	}
	call := d.call(q.Request)
	call.Digest = q.Digest()
	s, err := d.service.Update(q.Context(), call, q.ref(), sel, patch)
	if err != nil {
		return wire.Reply{}, err
	}
	v := s.Newest()
	return answer(q.bundleOf(s, v).withVersion(v))
}

// selector reads the version of the path. Without one it is the current.
func (q *request) selector() (secret.Selector, error) {
	v, ok := q.Vars["version"]
	if !ok {
		return secret.Current, nil
	}
	uid, ok := secret.ParseUID(strings.ToLower(v))
	if !ok || uid.IsZero() { // the zero UID would select the current version
		return secret.Selector{}, &secret.Error{Kind: secret.NotFound, Name: q.name, Detail: "version: not 32 hex digits, so there is none"}
	}
	return secret.ByUID(uid), nil
}

// listing reads a page of names, from the service's list or that of its trash.
type listing func(context.Context, gateway.Call, string, secret.Query) (secret.Page, error)

// listSecrets goes in the order of the model's names, which for names that
// Key Vault can spell is the service's own.
func (d *Dialect) listSecrets(q *request) (wire.Reply, error) {
	return list(d, q, d.service.List, q.bundleOf, false)
}

// list answers with one page. walksOn: a full page has a link even where
// nothing follows.
func list[T wire.Appender](d *Dialect, q *request, read listing, show func(*secret.Secret, *secret.Version) T, walksOn bool) (wire.Reply, error) {
	size, err := q.pageSize()
	if err != nil {
		return wire.Reply{}, err
	}
	key, err := q.position()
	if err != nil {
		return wire.Reply{}, err
	}
	query := secret.Query{Limit: size, Under: secret.Name(q.folder)}
	if query.After, err = q.after(key); err != nil {
		return wire.Reply{}, err
	}
	p, err := read(q.Context(), d.call(q.Request), q.store, query)
	if err != nil {
		return wire.Reply{}, err
	}
	items := make([]T, 0, len(p.Secrets))
	for _, s := range p.Secrets {
		if v := s.Find(secret.Current); v != nil {
			items = append(items, show(s, v))
		}
	}
	if p.Next == "" && walksOn && len(p.Secrets) == size {
		p.Next = p.Secrets[size-1].Name
	}
	next := ""
	if p.Next != "" {
		next = spell(q.inside(p.Next))
	}
	return answer(pageOf(q, items, next))
}
