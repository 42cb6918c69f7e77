package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/internal/osfile"
	"github.com/vaultferry/vaultferry/secret"
)

const fileLock = "lock"

// lease is how long a lock holds whose owner nobody hears of; it is put off in
// good time.
const (
	lease = 2 * time.Minute
	renew = lease / 6
)

// owner is what stands in the lock.
type owner struct {
	Owner string    `json:"owner"`
	By    string    `json:"by"`
	Does  string    `json:"does"`
	Host  string    `json:"host,omitempty"`
	Until time.Time `json:"until"`
}

// Lock is held by whoever changes the repository.
type Lock struct {
	r    *Repository
	file *os.File
	stop context.CancelFunc
	done chan struct{}

	mu    sync.Mutex
	owner owner
}

// Lock takes the lock for one who says what it does, and returns a context that
// ends with it. Kind: Conflict, where somebody else has it.
func (r *Repository) Lock(ctx context.Context, by, does string) (context.Context, *Lock, error) {
	f, err := os.OpenFile(r.path(fileLock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fileError(fileLock, err)
	}
	l := &Lock{r: r, file: f, done: make(chan struct{}), owner: owner{Owner: uuid.NewString(), By: by, Does: does, Host: bootID()}}
	if err := l.take(); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	ctx, l.stop = context.WithCancel(ctx)
	go l.keep(ctx)
	return ctx, l, nil
}

// take writes the owner, unless another's lock holds.
func (l *Lock) take() error {
	err := osfile.TryLock(l.file)
	free := err == nil
	if errors.Is(err, errors.ErrUnsupported) { // a file system without: the lease is all
		err = nil
	}
	was, readErr := l.stands()
	switch {
	case errors.Is(err, osfile.ErrHeld):
		return taken(was)
	case err != nil:
		return fileError(fileLock, err)
	case readErr != nil:
		return readErr
	case was != nil && l.r.now().Before(was.Until) && (!free || was.Host == "" || was.Host != l.owner.Host):
		return taken(was)
	}
	return l.write()
}

func taken(by *owner) error {
	if by == nil {
		return secret.Errorf(secret.Conflict, "another command changes the repository now")
	}
	return secret.Errorf(secret.Conflict, "%s by %s changes the repository now; its lock ends at %s, unless it works longer", by.Does, by.By, by.Until.UTC().Format(time.RFC3339))
}

// stands reads the owner in the file; nil: there is none. What cannot be read is
// a write that was cut short: nobody owned it yet.
func (l *Lock) stands() (*owner, error) {
	f, _, err := l.r.open(fileLock)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, 1<<16))
	if err != nil {
		return nil, fileError(fileLock, err)
	}
	var o owner
	if len(b) == 0 || json.Unmarshal(b, &o) != nil {
		return nil, nil
	}
	return &o, nil
}

// write puts the lease off.
func (l *Lock) write() error {
	l.owner.Until = l.r.now().Add(lease).UTC().Truncate(time.Second)
	line, err := encode(&l.owner)
	if err != nil {
		return err
	}
	if _, err = l.file.WriteAt(line, 0); err == nil {
		err = l.file.Truncate(int64(len(line)))
	}
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return fileError(fileLock, err)
	}
	return nil
}

// Check fails unless the lock is still ours, and puts its end off.
func (l *Lock) Check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch was, err := l.stands(); {
	case err != nil:
		return err
	case was == nil || was.Owner != l.owner.Owner:
		return secret.Errorf(secret.Conflict, "the lock of the repository was lost to another command")
	}
	return l.write()
}

// keep puts the end off until ctx ends, and ends it where the lock is lost.
func (l *Lock) keep(ctx context.Context) {
	defer close(l.done)
	t := time.NewTicker(renew)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := l.Check(); errors.Is(err, secret.Conflict) {
				l.stop()
				return
			}
		}
	}
}

// Release gives the lock back.
func (l *Lock) Release() error {
	l.stop()
	<-l.done
	var err error
	if was, readErr := l.stands(); readErr == nil && was != nil && was.Owner == l.owner.Owner {
		err = l.file.Truncate(0)
	}
	_ = osfile.Unlock(l.file) // a child that is being started may have the file open, too
	return errors.Join(err, l.file.Close())
}

// bootID tells one running system from others; empty: nobody tells.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
