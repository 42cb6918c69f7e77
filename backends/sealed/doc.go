// Package sealed is how stores that hold the gateway's own records keep them:
// the encoding of heads, versions and values, and the sealing of each under a
// data key that the gateway's keyring wraps. Every record is bound to its place.
package sealed
