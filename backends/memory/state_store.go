package memory

import (
	"bytes"
	"context"
	"strconv"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// stateRecord is never changed once it is in the map.
type stateRecord struct {
	text   []byte
	number int
}

// revision is empty where there is no state record.
func (n stateRecord) revision() string {
	if n.number == 0 {
		return ""
	}
	return strconv.Itoa(n.number)
}

// ReadState implements backends.StateStore.
func (s *Store) ReadState(ctx context.Context, key string) ([]byte, string, error) {
	const op = "memory.read_state"
	if err := begin(ctx, op, ""); err != nil {
		return nil, "", err
	}
	if err := kit.CheckStateKey(key); err != nil {
		return nil, "", named(err, op, "")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	n, ok := s.state[key]
	if !ok {
		return nil, "", &secret.Error{Kind: secret.NotFound, Op: op}
	}
	return bytes.Clone(n.text), n.revision(), nil
}

// WriteState implements backends.StateStore.
func (s *Store) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	const op = "memory.write_state"
	if err := begin(ctx, op, ""); err != nil {
		return err
	}
	if err := kit.CheckState(key, text); err != nil {
		return named(err, op, "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.state[key]
	if old.revision() != revision {
		return &secret.Error{Kind: secret.Conflict, Op: op}
	}
	s.state[key] = stateRecord{text: bytes.Clone(text), number: old.number + 1}
	return nil
}
