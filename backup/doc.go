// Package backup turns one secret with its whole history into a sealed,
// portable blob and back. FORMAT.md in this folder is the specification: what
// it says holds for every release, and the vectors in testdata prove it.
//
// The package is pure: apart from reading and writing the keyring's file it
// performs no I/O, and it knows neither stores nor wire formats.
package backup
