// Package sidecar is what the gateway keeps beside a secret in a product that
// has no place of its own for it.
package sidecar
