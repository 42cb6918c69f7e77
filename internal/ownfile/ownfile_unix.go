//go:build unix

package ownfile

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// maxLinks is how many links are followed.
const maxLinks = 16

// Look follows path through its links, and returns what is dangerous about the
// file, the links or their folders; nil: nothing, or there is no such file.
func Look(path string) *Danger {
	for range maxLinks {
		info, err := os.Lstat(path)
		if err != nil {
			return nil // whoever opens it will say so
		}
		if d := lookAtFolder(filepath.Dir(path)); d != nil {
			return d
		}
		if info.Mode()&os.ModeSymlink == 0 {
			return lookAtFile(path, info)
		}
		if !ours(info) {
			return sure("the link %s belongs to another user, who can make it lead elsewhere", path)
		}
		next, err := os.Readlink(path)
		if err != nil {
			return nil
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		path = next
	}
	return nil
}

func lookAtFile(path string, info os.FileInfo) *Danger {
	mode := info.Mode()
	switch {
	case !mode.IsRegular(): // a pipe of a shell, say
		return nil
	case mode.Perm()&0o002 != 0:
		return sure("every user can write %s (mode %04o); chmod o-w it", path, mode.Perm())
	case mode.Perm()&0o020 != 0:
		return &Danger{What: fmt.Sprintf("a group can write %s (mode %04o); chmod g-w it", path, mode.Perm())}
	case !ours(info):
		return &Danger{What: fmt.Sprintf("%s belongs to another user, who can change it", path)}
	}
	return nil
}

// lookAtFolder: in a folder with the sticky bit, as /tmp has, nobody replaces
// what is another's.
func lookAtFolder(path string) *Danger {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if m := info.Mode(); m.Perm()&0o002 != 0 && m&os.ModeSticky == 0 {
		return sure("every user can write the folder %s, and so put another file there (mode %04o); chmod o-w it", path, m.Perm())
	}
	return nil
}

// ours reports whether the file is root's or this process's user's.
func ours(info os.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return !ok || s.Uid == 0 || int64(s.Uid) == int64(os.Geteuid())
}

// Exposed says by what somebody else can read or write a file that is meant for
// this process alone, and what to do; empty: nobody can. The group of a file of
// root's may read it: that is how systemd and Kubernetes hand a file to one service.
func Exposed(f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if mode := info.Mode().Perm(); exposed(mode, ok && st.Uid == 0 && os.Geteuid() != 0) {
		return fmt.Sprintf("others than its owner can read or write it (mode %04o); chmod 600 it", mode)
	}
	return ""
}

// Make makes a file that is not there yet, os.ErrExist, and that nobody but this
// process's user can open, from its first moment on.
func Make(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

func exposed(mode os.FileMode, handedOver bool) bool {
	if handedOver {
		mode &^= 0o040
	}
	return mode&0o077 != 0
}
