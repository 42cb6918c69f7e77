package kv2

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Members of Extra that Vault keeps by itself: settings of a key that somebody
// made.
const (
	extraMax     = "vault.max_versions"
	extraCAS     = "vault.cas_required"
	extraLasting = "vault.delete_version_after"
)

// lastingKey is the product's name of how long a version lasts.
const lastingKey = "delete_version_after"

// settings lists, as members of Extra, what somebody set of the key.
func (m *metadata) settings() secret.Extra {
	out := secret.Extra{}
	if m.Max > 0 && !raised(m.Max) {
		out[extraMax] = json.RawMessage(strconv.FormatInt(m.Max, 10))
	}
	if m.CAS {
		out[extraCAS] = json.RawMessage("true")
	}
	if d, err := time.ParseDuration(m.Lasting); err == nil && d != 0 {
		out = out.WithText(extraLasting, d.String())
	}
	return out
}

// splitSettings parts the settings that the engine can be given from the rest of
// an Extra. What it would give back otherwise stays in the rest.
func splitSettings(e secret.Extra) (settings map[string]any, rest secret.Extra) {
	settings, rest = map[string]any{}, maps.Clone(e)
	var m metadata
	if json.Unmarshal(e[extraMax], &m.Max) != nil || m.Max > mostRoom {
		m.Max = 0
	}
	if json.Unmarshal(e[extraCAS], &m.CAS) != nil {
		m.CAS = false
	}
	if d, err := time.ParseDuration(e.Text(extraLasting)); err == nil && d%time.Second == 0 && d > 0 {
		m.Lasting = d.String()
	}
	told := m.settings() // as the engine would
	for member, s := range map[string]struct {
		key string
		is  any
	}{extraMax: {"max_versions", m.Max}, extraCAS: {"cas_required", m.CAS}, extraLasting: {lastingKey, m.Lasting}} {
		if told[member] != nil && string(told[member]) == string(e[member]) {
			settings[s.key] = s.is
			delete(rest, member)
		}
	}
	if len(rest) == 0 {
		rest = nil
	}
	return settings, rest
}

// complete puts what the metadata alone tells over out, which secret returned:
// the settings of the key, and when Vault is going to delete a version.
func (st *state) complete(out *secret.Secret, now time.Time) {
	if s := st.settings(); len(s) > 0 {
		if out.Extra == nil {
			out.Extra = secret.Extra{}
		}
		maps.Copy(out.Extra, s)
	}
	for i, n := range st.numbers {
		at, err := time.Parse(time.RFC3339Nano, st.fact(n).Deletion)
		if err == nil && at.After(now) {
			v := &out.Versions[i]
			v.Extra = v.Extra.WithText(secret.ExtraPending, at.UTC().Format(time.RFC3339))
		}
	}
}

// mount is what the engine is configured to do where a key says nothing.
type mount struct {
	Max     int64  `json:"max_versions"`
	Lasting string `json:"delete_version_after"`
}

// lasts is how long the mount keeps a version; zero: for ever.
func (m *mount) lasts() time.Duration {
	d, _ := time.ParseDuration(m.Lasting)
	return max(0, d)
}

// Learn reads what the mount is configured to do, once. A gateway that may not
// read it takes it for nothing.
func (s *Store) Learn(ctx context.Context) error {
	_, err := s.mountSettings(ctx)
	return err
}

func (s *Store) mountSettings(ctx context.Context) (*mount, error) {
	if m := s.mount.Load(); m != nil {
		return m, nil
	}
	m := new(mount)
	err := s.Read(ctx, "/config", nil, m)
	if err != nil && !errors.Is(err, secret.Upstream) {
		return nil, err
	}
	s.mount.Store(m)
	return m, nil
}

// known is what has been learned of the mount: nothing, before the first write.
func (s *Store) known() *mount {
	if m := s.mount.Load(); m != nil {
		return m
	}
	return new(mount)
}
