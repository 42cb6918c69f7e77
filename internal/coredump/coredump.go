// Package coredump keeps the memory of this process from others: from a file that
// the system writes when it crashes, and from programs of the same user.
package coredump

import "os"

// Forbid does so from now on. Root reads it as ever. Who sets GOTRACEBACK=crash, by
// which Go writes such files, wants them: then nothing is done.
func Forbid() error {
	if os.Getenv("GOTRACEBACK") == "crash" {
		return nil
	}
	return forbid()
}
