// Package secret is the vocabulary that every other package shares: secrets,
// their versions, names, values that cannot print, kinds of error and grades
// of loss. It imports nothing of this module and performs no I/O.
package secret
