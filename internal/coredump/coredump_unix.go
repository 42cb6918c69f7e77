//go:build unix

package coredump

import (
	"errors"

	"golang.org/x/sys/unix"
)

func forbid() error {
	return errors.Join(unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}), forbidReading())
}
