package snapshot

import (
	"errors"
	"os"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// Repository is a folder with snapshots. It is safe for concurrent use.
type Repository struct {
	dir  string
	id   string
	keys *backup.Keyring
	now  func() time.Time
}

// fileRepository says which repository the folder is.
const fileRepository = "repository"

// about is what stands in fileRepository.
type about struct {
	Vaultferry string `json:"vaultferry"`
	Format     int    `json:"format"`
	ID         string `json:"id"`
	Signature  string `json:"signature,omitempty"`
}

func (a *about) signature() *string { return &a.Signature }

// Init makes a repository in a folder that is empty, or not there, and its keys,
// wrapped for the keyring. Kinds: Invalid; Unsupported, where the keyring cannot
// seal, open and sign.
func Init(dir string, keys *backup.Keyring, now func() time.Time) (*Repository, error) {
	if _, _, ok := keys.Signer(); !ok {
		return nil, secret.Errorf(secret.Unsupported, "no key of the keyring signs, and snapshots are signed")
	}
	key := backup.NewRepositoryKey()
	r := &Repository{dir: dir, id: key.ID(), keys: keys, now: now}
	wrapped, _, err := keys.WrapRepositoryKey(key)
	if err != nil {
		return nil, err
	}
	if _, err := keys.UnwrapRepositoryKey(wrapped); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fileError(".", err)
	}
	switch names, err := r.names("."); {
	case err != nil:
		return nil, err
	case len(names) > 0:
		return nil, secret.Errorf(secret.Invalid, "the folder is not empty: it holds %s", names[0])
	}
	for _, sub := range []string{dirKeys, dirSnapshots, dirForgotten, dirDrills, dirDocuments, dirWork} {
		if err := os.Mkdir(r.path(sub), 0o700); err != nil {
			return nil, fileError(sub, err)
		}
	}
	if _, err := r.addRecipient(keys, key); err != nil {
		return nil, err
	}
	line, err := sign(keys, typeRepository, &about{Vaultferry: kindRepository, Format: Format, ID: r.id})
	if err != nil {
		return nil, err
	}
	return r, r.publish(fileRepository, line)
}

// Open reads which repository the folder is. The keyring says whose signatures
// count. Kinds: NotFound; Corrupt; Unsupported.
func Open(dir string, keys *backup.Keyring, now func() time.Time) (*Repository, error) {
	r := &Repository{dir: dir, keys: keys, now: now}
	line, err := r.read(fileRepository)
	if errors.Is(err, secret.NotFound) {
		return nil, secret.Errorf(secret.NotFound, "there is no repository in %s; vaultferry snapshot init makes one", dir)
	}
	if err != nil {
		return nil, err
	}
	var a about
	switch err := readSigned(keys, typeRepository, line, &a, func() time.Time { return time.Time{} }); {
	case a.Vaultferry == kindRepository && a.Format > Format:
		return nil, secret.Errorf(secret.Unsupported, "the repository has format %d; this release reads format %d", a.Format, Format)
	case err != nil:
		return nil, corrupt(fileRepository, "%v", err)
	case a.Vaultferry != kindRepository || a.Format != Format:
		return nil, corrupt(fileRepository, "this is no repository")
	}
	r.id = a.ID
	return r, nil
}

// ID tells one repository from another.
func (r *Repository) ID() string { return r.id }
