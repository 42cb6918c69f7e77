// Package sidecar is what the gateway keeps beside a secret in a product that
// has no place of its own for it: one schema, one strict codec, one meaning of
// each letter (Codebook), and one Fit that says what there is room for and what
// is lost. A product's package keeps the framing alone: a tag, the end of a
// description, an entry in Vault.
package sidecar
