// Package snapshot keeps snapshots of stores in a repository: a folder that any
// tool can copy. docs/repository.md is the specification of its files.
//
// The package knows no store. Who takes a snapshot hands it what a Service
// sealed; who restores one gets the sealed documents. Errors are *secret.Error
// and name files as they are called in the repository.
package snapshot
