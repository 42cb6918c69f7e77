// Package report makes and checks the signed report of a migration: an in-toto
// Statement in a DSSE envelope, which standard tools verify offline with the
// public key alone. docs/report.md says to the byte what is signed.
//
// A report holds roots, counts, times and the names of files and stores. It holds
// no value, no digest of one, and no secret's name.
package report
