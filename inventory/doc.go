// Package inventory lists what a store holds without telling it: names, versions
// and their states, and keyed digests of values and attributes. Two inventories
// under one run key can be compared without either store.
//
// An inventory is a file of JSON lines: a header, one entry for each secret in
// bytewise order of names, and an end with the count, the root of a Merkle tree
// (RFC 6962) over the lines before it, and a signature. docs/inventory.md says to
// the byte what is digested.
//
// Who has the run key can guess weak values offline. Who lacks it learns names,
// states, and which versions of one secret are equal.
package inventory
