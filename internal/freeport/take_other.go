//go:build !linux

package freeport

import "net"

// Take finds a free address. Here another process may take it.
func Take() (address string, letGo func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		return "", nil, err
	}
	return l.Addr().String(), func() {}, l.Close()
}
