package e2e

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/secret"
)

// bareMap is a map of secrets under a lock. Values are never changed, so
// neither side copies one.
type bareMap struct {
	mu  sync.RWMutex
	all map[string]*secret.Secret
}

func moveMemory(b *testing.B) mover {
	b.Helper()
	return mover{ours: products["memory"](b, "ours"), bare: &bareMap{all: map[string]*secret.Secret{}}, apart: true}
}

func (m *bareMap) export(_ context.Context, name string, _ int) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	c := *m.all[name]
	c.Versions = slices.Clone(c.Versions)
	return nil
}

func (m *bareMap) load(_ context.Context, s *secret.Secret) error {
	c := *s
	c.Versions = slices.Clone(c.Versions)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[string(s.Name)] = &c
	return nil
}

// bareBolt is a file of bbolt with a bucket for each secret, in it a value for
// each ordinal, sealed with AES-GCM under one key. It holds no attributes. An
// import is one transaction.
type bareBolt struct {
	db  *bbolt.DB
	gcm cipher.AEAD
}

func moveBolt(b *testing.B) mover {
	b.Helper()
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		b.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		b.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return mover{ours: products["bolt"](b, "ours"), bare: bareBolt{db, gcm}, apart: true}
}

func (f bareBolt) export(_ context.Context, name string, _ int) error {
	return f.db.View(func(tx *bbolt.Tx) error {
		var all [][]byte
		return tx.Bucket([]byte(name)).ForEach(func(k, sealed []byte) error {
			plain, err := f.gcm.Open(nil, nil, sealed, k)
			all = append(all, plain)
			return err
		})
	})
}

func (f bareBolt) load(_ context.Context, s *secret.Secret) error {
	return f.db.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucket([]byte(s.Name))
		if err != nil {
			return err
		}
		for i := range s.Versions {
			k := binary.BigEndian.AppendUint64(nil, uint64(s.Versions[i].Ordinal))
			if err := bucket.Put(k, f.gcm.Seal(nil, nil, s.Versions[i].Value.Reveal(), k)); err != nil {
				return err
			}
		}
		return nil
	})
}
