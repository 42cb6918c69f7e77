package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/archive"
)

// Next is what another service goes by: see Service.With. Its fields are those
// of Options.
type Next struct {
	Policy       *access.Policy
	Keyring      *backup.Keyring
	RequireProof bool
	Archive      archive.Dir
	// Stores are all of the next service. One without a Backend keeps the one that
	// its name has.
	Stores []Store
}

// With returns a service that goes by c, with the same audit. Locks and writes
// whose outcome is unknown live on by the names of stores. Calls of s end as they
// began. It fails, and nothing has changed, where the keyring does not open a store
// that stays.
//
// Whoever goes on with the next service calls its Begin, and CloseAllBut of s.
func (s *Service) With(ctx context.Context, c Next) (*Service, error) {
	next := *s
	next.policy, next.keys, next.proof, next.archive = c.Policy, c.Keyring, c.RequireProof, c.Archive
	next.repository = &atomic.Pointer[unwrapped]{} // what another keyring says of a key is another thing
	next.stores, next.names, next.locks = map[string]*store{}, nil, maps.Clone(s.locks)
	if err := next.addStores(c.Stores, s.stores); err != nil {
		return nil, err
	}
	if err := next.opensWhatStays(ctx, s); err != nil {
		return nil, err
	}
	return &next, nil
}

// opensWhatStays returns which stores of before, that s keeps, its keyring does not
// open.
func (s *Service) opensWhatStays(ctx context.Context, before *Service) error {
	var errs []error
	for _, name := range s.names {
		st, old := s.stores[name], before.stores[name]
		if old == nil || st.opened != old.opened || st.keyHolder == nil {
			continue
		}
		if err := st.keyHolder.OpensUnder(ctx, s.keys); err != nil {
			errs = append(errs, fmt.Errorf("store %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// addStores makes the stores of a new service, which may keep what those before
// have.
func (s *Service) addStores(all []Store, before map[string]*store) error {
	for _, st := range all {
		if _, dup := s.stores[st.Name]; dup || st.Name == "" {
			return fmt.Errorf("gateway: store name %q is empty or taken", st.Name)
		}
		old := before[st.Name]
		if st.Backend == nil && old == nil {
			return fmt.Errorf("gateway: store %s has no backend", st.Name)
		}
		if s.locks[st.Name] == nil {
			s.locks[st.Name] = &locks{wholeStore: semaphore.NewWeighted(1)}
		}
		s.stores[st.Name] = newStore(st, old, s.locks[st.Name], blobShare(s.mostBlobs, len(all)), blobShare(s.mostBlobs, len(before)))
		s.names = append(s.names, st.Name)
	}
	return nil
}

// newStore keeps of the one before, which may be nil, what is as it was.
func newStore(st Store, old *store, l *locks, share, shareBefore int64) *store {
	n := &store{locks: l}
	if st.Backend == nil {
		st.Backend, n.opened = old.Backend, old.opened
	} else {
		n.opened = &opened{caps: st.Backend.Capabilities(), optional: optionalOf(st.Backend)}
	}
	st.Timeout = orDefault(st.Timeout, DefaultTimeout)
	st.Concurrency = orDefault(st.Concurrency, DefaultConcurrency)
	st.RetentionDays = orDefault(st.RetentionDays, DefaultRetentionDays)
	if most := int(n.caps.MaxRetention / (24 * time.Hour)); most > 0 {
		st.RetentionDays = min(st.RetentionDays, most)
	}
	n.Store = st
	if old != nil && old.opened == n.opened && old.Concurrency == st.Concurrency {
		n.slots = old.slots
	} else {
		n.slots = semaphore.NewWeighted(int64(st.Concurrency))
	}
	if old != nil && share == shareBefore {
		n.blobs = old.blobs
	} else {
		n.blobs = semaphore.NewWeighted(share)
	}
	return n
}

// Begin has the stores that stayed go by the keyring of s.
func (s *Service) Begin() {
	for _, st := range s.stores {
		if st.keyHolder != nil {
			st.keyHolder.UseKeys(s.keys)
		}
	}
}

// CloseAllBut closes the stores that next does not have any more. No call of s may
// run.
func (s *Service) CloseAllBut(next *Service) error {
	var errs []error
	for _, n := range s.names {
		st := s.stores[n]
		if there := next.stores[n]; there != nil && there.opened == st.opened {
			continue
		} else if there == nil {
			s.fleet.leave(st)
		}
		if err := st.Backend.Close(); err != nil {
			errs = append(errs, fmt.Errorf("store %s: %w", n, err))
		}
	}
	return errors.Join(errs...)
}
