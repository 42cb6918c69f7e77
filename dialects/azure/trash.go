package azure

import (
	"net/http"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/secret"
)

// The service deletes, recovers and purges in its own time; here each is done
// when it is answered, and the pollers of the clients end with their first try.

// deleteSecret moves the secret with all its versions to the trash.
func (d *Dialect) deleteSecret(q *request) (wire.Reply, error) {
	s, err := d.service.Delete(q.Context(), d.call(q.Request), q.ref())
	return q.trashed(s, err)
}

func (d *Dialect) getDeleted(q *request) (wire.Reply, error) {
	s, err := d.service.DescribeTrash(q.Context(), d.call(q.Request), q.ref())
	return q.trashed(s, err)
}

func (q *request) trashed(s *secret.Secret, err error) (wire.Reply, error) {
	if err != nil {
		return wire.Reply{}, err
	}
	v := shownVersion(s)
	b := q.deletedOf(s, v)
	b.bundle = b.withVersion(v)
	return answer(b)
}

// listDeleted goes in the order of listSecrets. Recorded: the service's walk
// goes on behind a full page, for it passes over versions too.
func (d *Dialect) listDeleted(q *request) (wire.Reply, error) {
	return list(d, q, d.service.ListTrash, q.deletedOf, true)
}

// recoverDeleted answers with the live secret.
func (d *Dialect) recoverDeleted(q *request) (wire.Reply, error) {
	s, err := d.service.Recover(q.Context(), d.call(q.Request), q.ref())
	if err != nil {
		return wire.Reply{}, err
	}
	v := shownVersion(s)
	return answer(q.bundleOf(s, v).withVersion(v))
}

func (d *Dialect) purgeDeleted(q *request) (wire.Reply, error) {
	if err := d.service.Purge(q.Context(), d.call(q.Request), q.ref()); err != nil {
		return wire.Reply{}, err
	}
	return wire.Reply{Status: http.StatusNoContent}, nil
}

// shownVersion stands for a whole secret: the current version, or where none
// holds that role the newest.
func shownVersion(s *secret.Secret) *secret.Version {
	if v := s.Find(secret.Current); v != nil {
		return v
	}
	return s.Newest()
}
