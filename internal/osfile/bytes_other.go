//go:build !linux

package osfile

import (
	"errors"
	"os"
)

// TryLockByte is for Linux: errors.ErrUnsupported.
func TryLockByte(*os.File, int64) error { return errors.ErrUnsupported }

// LockByte is for Linux: errors.ErrUnsupported.
func LockByte(*os.File, int64) error { return errors.ErrUnsupported }

// UnlockByte is for Linux: errors.ErrUnsupported.
func UnlockByte(*os.File, int64) error { return errors.ErrUnsupported }

// BytesHeld is for Linux: errors.ErrUnsupported.
func BytesHeld(*os.File, int64, int64) (bool, error) { return false, errors.ErrUnsupported }
