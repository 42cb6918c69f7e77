//go:build !linux

package control

// canShorten: see socket_linux.go.
const canShorten = false

func shortened(_ int, base string) string { return base }
