//go:build !unix

package ownfile

import "os"

// Look: such systems have other rights than these.
func Look(string) *Danger { return nil }

// Exposed: such systems have other rights than these.
func Exposed(os.FileInfo) bool { return false }
