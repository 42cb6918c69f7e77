package snapshot

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// Endings of the two files of a recipient.
const (
	endWrapped = ".jwe"
	endVoucher = ".jws"
)

// fileOf spells a key's id as a file's name.
func fileOf(kid string) string {
	var b strings.Builder
	for _, c := range []byte(kid) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return dirKeys + "/" + b.String()
}

// addRecipient wraps the key for another keyring; who calls holds the lock.
func (r *Repository) addRecipient(to *backup.Keyring, key *backup.RepositoryKey) (kid string, err error) {
	wrapped, kid, err := to.WrapRepositoryKey(key)
	if err != nil {
		return "", err
	}
	if _, err := r.read(fileOf(kid) + endWrapped); !errors.Is(err, secret.NotFound) {
		return kid, errors.Join(secret.Errorf(secret.AlreadyExists, "key %s is a recipient already", kid), err)
	}
	jws, err := r.keys.SignVoucher(backup.VoucherOf(r.id, kid, wrapped))
	if err != nil {
		return kid, err
	}
	if err := r.publish(fileOf(kid)+endVoucher, []byte(jws)); err != nil {
		return kid, err
	}
	return kid, r.publish(fileOf(kid)+endWrapped, []byte(wrapped))
}

// Wrapped is a repository's key as it crosses to a gateway: wrapped, with what
// proves that a holder of the keyring did that.
type Wrapped struct{ Key, Voucher string }

// wrappedFor reads the key as it is wrapped for one recipient, if somebody who is
// trusted did that.
func (r *Repository) wrappedFor(kid string) (w Wrapped, err error) {
	name := fileOf(kid) + endWrapped
	wrapped, err := r.read(name)
	if err != nil {
		return w, err
	}
	jws, err := r.read(fileOf(kid) + endVoucher)
	if err != nil {
		return w, err
	}
	switch v, err := r.keys.ReadVoucher(string(jws)); {
	case err != nil:
		return w, corrupt(name, "%v", errSigner)
	case v != backup.VoucherOf(r.id, kid, string(wrapped)):
		return w, corrupt(name, "it has the signature of another")
	}
	return Wrapped{string(wrapped), string(jws)}, nil
}

// Key unwraps the repository's key, and returns it wrapped, too: so it may go to
// a gateway that has the same keyring. Kinds: NoKey, where the keyring is no
// recipient; Unsupported, where it can open nothing; Corrupt.
func (r *Repository) Key() (*backup.RepositoryKey, Wrapped, error) {
	if !r.keys.CanOpen() {
		_, err := r.keys.UnwrapRepositoryKey("") // which says so
		return nil, Wrapped{}, err
	}
	var damaged error
	for _, k := range r.keys.Keys() {
		if k.Use != "enc" {
			continue
		}
		key, wrapped, err := r.keyFor(k.ID)
		if err == nil {
			return key, wrapped, nil
		}
		if damaged == nil && !errors.Is(err, secret.NotFound) {
			damaged = err
		}
	}
	if damaged != nil {
		return nil, Wrapped{}, damaged
	}
	return nil, Wrapped{}, secret.Errorf(secret.NoKey, "no key of the keyring is a recipient of this repository: a keyring that is one can add it (vaultferry snapshot key add)")
}

func (r *Repository) keyFor(kid string) (*backup.RepositoryKey, Wrapped, error) {
	wrapped, err := r.wrappedFor(kid)
	if err != nil {
		return nil, wrapped, err
	}
	key, err := r.keys.UnwrapVouched(wrapped.Key, wrapped.Voucher)
	if err == nil && key.ID() != r.id {
		err = corrupt(fileOf(kid)+endWrapped, "it is the key of repository %s, and this is %s", key.ID(), r.id)
	}
	return key, wrapped, err
}

// Recipient is one for whom the repository's key is wrapped.
type Recipient struct {
	KID string `json:"recipient"`
	// Held: the keyring opens it.
	Held bool `json:"held"`
}

// Recipients lists them in the order of their files. Kind: Corrupt, where one of them
// is damaged: Check tells more.
func (r *Repository) Recipients() ([]Recipient, error) {
	names, err := r.names(dirKeys)
	if err != nil {
		return nil, err
	}
	var all []Recipient
	for _, name := range names {
		base, ok := strings.CutSuffix(name, endVoucher)
		if !ok {
			continue
		}
		jws, err := r.read(dirKeys + "/" + name)
		if err != nil {
			return nil, err
		}
		v, err := r.keys.ReadVoucher(string(jws))
		if err != nil || fileOf(v.KID) != dirKeys+"/"+base || v.Repository != r.id {
			return nil, corrupt(dirKeys+"/"+name, "%v", errSigner)
		}
		wrapped, err := r.wrappedFor(v.KID)
		if errors.Is(err, secret.NotFound) { // an addition that was cut short
			continue
		}
		if err != nil {
			return nil, err
		}
		key, err := r.keys.UnwrapRepositoryKey(wrapped.Key)
		all = append(all, Recipient{KID: v.KID, Held: err == nil && key.ID() == r.id})
	}
	return all, nil
}

// AddRecipient wraps the key for the key of another keyring that seals, and returns
// that key's id. Kinds: AlreadyExists; as Key.
func (r *Repository) AddRecipient(lock *Lock, to *backup.Keyring) (string, error) {
	key, _, err := r.Key()
	if err != nil {
		return "", err
	}
	if err := lock.Check(); err != nil {
		return "", err
	}
	return r.addRecipient(to, key)
}

// RemoveRecipient removes what is wrapped for a key, also what an addition or a
// removal left that was cut short. Who had it may have kept the repository's key.
// Kinds: NotFound; Invalid, for the last one.
func (r *Repository) RemoveRecipient(lock *Lock, kid string) error {
	all, err := r.Recipients()
	if err != nil {
		return err
	}
	found, others := false, 0
	for _, one := range all {
		if one.KID == kid {
			found = true
		} else {
			others++
		}
	}
	switch {
	case !found && !r.left(kid):
		return secret.Errorf(secret.NotFound, "key %s is no recipient; vaultferry snapshot key list shows them", kid)
	case others == 0:
		return secret.Errorf(secret.Invalid, "key %s is the last recipient: without it nobody opens the repository", kid)
	}
	if err := lock.Check(); err != nil {
		return err
	}
	for _, end := range []string{endWrapped, endVoucher} {
		if err := r.remove(fileOf(kid) + end); err != nil && !errors.Is(err, secret.NotFound) {
			return err
		}
	}
	return nil
}

// left reports whether the key has any file.
func (r *Repository) left(kid string) bool {
	for _, end := range []string{endWrapped, endVoucher} {
		if _, err := os.Lstat(r.path(fileOf(kid) + end)); err == nil {
			return true
		}
	}
	return false
}
