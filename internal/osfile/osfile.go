// Package osfile is what systems do with files in ways of their own: locks, the
// order in which names get to the disk, links, owners.
package osfile

import "errors"

// ErrHeld is of a lock that another process has.
var ErrHeld = errors.New("the file is locked")
