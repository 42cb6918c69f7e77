package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

// ErrLive says that another process answers on the socket.
var ErrLive = errors.New("another gateway is listening on this socket")

// maxAddress is the longest path that a socket's address holds everywhere.
const maxAddress = 103

// A gateway holds the lock for as long as it probes and listens, which is less
// than lockTimeout. The system cannot wait for a lock with an end.
const (
	lockTimeout = 5 * time.Second
	lockPoll    = 20 * time.Millisecond
)

// probeTimeout bounds the question whether a socket is a live one.
const probeTimeout = time.Second

// CheckPath reports whether a socket can be at the path at all.
func CheckPath(path string) error {
	if len(path) <= maxAddress || len(shortened(maxFD, filepath.Base(path))) <= maxAddress && canShorten {
		return nil
	}
	return fmt.Errorf("a socket's path holds at most %d bytes, and this one has %d: choose a shorter path", maxAddress, len(path))
}

// maxFD is more than any file descriptor of ours.
const maxFD = 9_999_999

// withAddress gives f a name of the path that a socket's address holds.
func withAddress(path string, f func(address string) error) error {
	if len(path) <= maxAddress {
		return f(path)
	}
	if err := CheckPath(path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }() // only named
	return f(shortened(int(dir.Fd()), filepath.Base(path)))
}

// listen takes the path for a socket of mode 0600.
func listen(ctx context.Context, path string) (ln net.Listener, info fs.FileInfo, err error) {
	if !isServed {
		return nil, nil, fmt.Errorf("a control socket on this system: %w", errors.ErrUnsupported)
	}
	unlock, err := lockFolder(ctx, filepath.Dir(path))
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	if err := clearStale(ctx, path); err != nil {
		return nil, nil, err
	}
	err = withAddress(path, func(address string) (err error) {
		ln, err = (&net.ListenConfig{}).Listen(ctx, "unix", address)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // Close knows whether it is ours
	}
	err = os.Chmod(path, 0o600) // whoever was quicker is told by peerOf
	if err == nil {
		info, err = os.Lstat(path)
	}
	if err != nil {
		return nil, nil, errors.Join(err, ln.Close())
	}
	return ln, info, nil
}

// lockFolder keeps two gateways from taking one socket for stale at once. It
// waits for another that starts in the same folder. Danger: whoever may read
// the folder can lock it, so one who keeps the lock for longer is passed over.
func lockFolder(ctx context.Context, dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockTimeout); ; {
		err := osfile.TryLock(f)
		if !errors.Is(err, osfile.ErrHeld) || time.Now().After(end) { // a file system without locks does without
			return func() { _ = f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(lockPoll):
		}
	}
}

// clearStale removes the socket of a process that is gone.
func clearStale(ctx context.Context, path string) error {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is in the way, and is not a socket", path)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	c, err := dial(ctx, path)
	switch {
	case err == nil:
		return errors.Join(ErrLive, c.Close())
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return err
}

func dial(ctx context.Context, path string) (c net.Conn, err error) {
	if !isServed {
		return nil, fs.ErrNotExist
	}
	err = withAddress(path, func(address string) (err error) {
		c, err = (&net.Dialer{}).DialContext(ctx, "unix", address)
		return err
	})
	return c, err
}
