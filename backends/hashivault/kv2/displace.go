package kv2

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

var _ backends.Displacer = (*Store)(nil)

// PutDisplacing implements backends.Displacer.
func (s *Store) PutDisplacing(ctx context.Context, name secret.Name, d secret.Draft, displace func(ctx context.Context, gone []secret.Ordinal) error) (*secret.Secret, error) {
	out, err := s.put(ctx, name, &d, displace)
	return out, connection.Named(err, "put", name)
}

// VersionLimit implements backends.Displacer.
func (s *Store) VersionLimit(have *secret.Secret) int {
	var m metadata
	if json.Unmarshal(have.Extra[extraMax], &m.Max) != nil {
		m.Max = 0
	}
	return int(m.limit(s.known()))
}

// AppendLosses implements backends.Displacer. A version that came from where it
// was to be deleted, too, loses nothing.
func (s *Store) AppendLosses(have, part *secret.Secret) []secret.Loss {
	d, err := time.ParseDuration(have.Extra.Text(extraLasting))
	if err != nil || d <= 0 || d%time.Second != 0 { // anything else is no setting of Vault
		return nil
	}
	staying := *part
	staying.Versions = slices.DeleteFunc(slices.Clone(part.Versions), func(v secret.Version) bool { return v.Extra.Text(secret.ExtraPending) != "" })
	return doomed(&staying, d, "key")
}

// limit is how many versions the engine keeps because somebody wants no more.
// Zero: the engine's own default would count, which nobody chose, or a number
// that makeRoom set.
func (m *metadata) limit(of *mount) int64 {
	if raised(m.Max) {
		return 0
	}
	return max(m.Max, of.Max, 0)
}

// prepareRoom makes room for the version where nobody has set a limit. Where
// somebody has, it finds out what the version pushes out, and asks.
func (w *write) prepareRoom(ctx context.Context) error {
	var limit int64
	if !raised(w.st.Max) {
		m, err := w.s.mountSettings(ctx)
		if err != nil {
			return err
		}
		limit = w.st.limit(m)
	}
	switch {
	case limit == 0:
		return w.s.makeRoom(ctx, w.st, 1)
	case !w.st.exists:
		return w.s.makeKey(ctx, w.st)
	}
	var gone []secret.Ordinal
	for k := range w.st.Versions {
		n, err := strconv.ParseInt(k, 10, 64)
		if err != nil || n > w.number-limit {
			continue
		}
		w.pushed = append(w.pushed, n)
		if !w.st.head.isPlaceholder(n) {
			gone = append(gone, w.st.head.Shifts.Ordinal(n))
		}
	}
	slices.Sort(gone)
	if w.d.KeepCurrent && slices.Contains(gone, w.head.Secret.Current) {
		return secret.Errorf(secret.Unsupported, "the secret keeps %d versions (max_versions), and one more would push out the current one", limit)
	}
	if len(gone) == 0 || w.displace == nil {
		return nil
	}
	return w.displace(ctx, gone)
}

// isPushed reports whether the version pushes out that with the ordinal.
func (w *write) isPushed(o secret.Ordinal) bool {
	return slices.ContainsFunc(w.pushed, func(n int64) bool { return w.st.head.Shifts.Ordinal(n) == o })
}

// forgetPushed takes what the version pushed out from the state, and its
// entries from what is kept.
func (w *write) forgetPushed(c *change) {
	for _, n := range w.pushed {
		delete(w.st.Versions, strconv.FormatInt(n, 10))
		c.versions[keyOf(n)] = ""
		for _, k := range w.st.ahead(n) {
			c.versions[k] = ""
		}
	}
	w.st.numbers = slices.DeleteFunc(w.st.numbers, func(n int64) bool { return slices.Contains(w.pushed, n) })
}

// dropPushed takes roles and labels from what the version pushed out.
func (w *write) dropPushed(h *history.Head) {
	if w.isPushed(h.Secret.Previous) {
		h.Secret.Previous = 0
	}
	maps.DeleteFunc(h.Stages, func(_ string, holder secret.Ordinal) bool { return w.isPushed(holder) })
}
