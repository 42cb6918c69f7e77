package huawei

import (
	"strconv"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// listVersions lists the versions that CSMS has, oldest first.
func (a *api) listVersions(r *request) (any, error) {
	ref, err := r.ref()
	if err != nil {
		return nil, err
	}
	q, err := parsePage(r)
	if err != nil {
		return nil, err
	}
	last, err := parseVersionMarker(q.marker)
	if err != nil {
		return nil, err
	}
	page, err := a.svc.VersionsWithTrash(r.Context(), r.call, ref, last.next(q.limit))
	if err != nil {
		return nil, err
	}
	out := metadatasAnswer{Metadatas: []versionMetadata{}}
	for i := range page.Secret.Versions {
		v := &page.Secret.Versions[i]
		m, err := renderMetadata(r.store, page.Secret, v)
		if err != nil {
			return nil, err
		}
		last.pass(v.Ordinal, &m)
		out.Metadatas = append(out.Metadatas, m)
	}
	out.PageInfo = pageOf(out.Metadatas, page.More, func(versionMetadata) string { return last.String() })
	return out, nil
}

// versionMarker is the last version that a page shows. The times of a list rise,
// for clients take the highest for the newest: a version that is no younger than
// the one before is shown a millisecond later than that. Where this has happened
// to the last one of a page, its marker tells the time: "v12.1700000000123".
// Clients look into no marker. One that makes its own of a version's id goes on
// from the version's own time.
type versionMarker struct {
	ordinal secret.Ordinal
	time    int64 // that it is shown with, in milliseconds; zero: nobody knows yet
	moved   bool  // which is not its own
}

func parseVersionMarker(s string) (k versionMarker, err error) {
	if s == "" {
		return k, nil
	}
	id, time, moved := strings.Cut(s, ".")
	if k.ordinal, err = ordinal(id); err != nil || !moved {
		return k, err
	}
	ms, err := strconv.ParseUint(time, 10, 48)
	if err != nil {
		return k, secret.Errorf(secret.Invalid, "marker is none that this gateway gives out")
	}
	return versionMarker{k.ordinal, int64(ms), true}, nil
}

func (k *versionMarker) String() string {
	if !k.moved {
		return versionID(k.ordinal)
	}
	return versionID(k.ordinal) + "." + strconv.FormatInt(k.time, 10)
}

// next is the page that follows. Where only the version itself knows its time, it
// begins with that one, which is not shown again.
func (k *versionMarker) next(limit int) secret.Part {
	p := secret.Part{After: secret.ByOrdinal(k.ordinal), Limit: limit}
	if !k.moved {
		p.After.Ordinal--
	}
	p.Show = func(s *secret.Secret, v *secret.Version) bool {
		if v.Ordinal == k.ordinal {
			k.time = millis(v.Created)
			return false
		}
		return !gone(recycled(s), v)
	}
	return p
}

// pass goes on to the next version, and makes its time rise.
func (k *versionMarker) pass(o secret.Ordinal, m *versionMetadata) {
	rising := max(m.CreateTime, k.time+1)
	*k = versionMarker{o, rising, rising != m.CreateTime}
	m.CreateTime = rising
}
