package freeport

import (
	"errors"
	"fmt"
	"syscall"
)

// Take is Keep until letGo is called. Whoever listens there must set SO_REUSEADDR, as
// Go and all that we start do.
func Take() (address string, letGo func(), err error) {
	// A socket that is bound and does not listen: the system gives its port to no other
	// bind or connect, and lets those that name it share it.
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	letGo = func() { _ = syscall.Close(fd) }
	err = errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
	)
	at, nameErr := syscall.Getsockname(fd)
	bound, ok := at.(*syscall.SockaddrInet4)
	if err = errors.Join(err, nameErr); err != nil || !ok {
		letGo()
		return "", nil, errors.Join(errors.New("no port"), err)
	}
	return fmt.Sprintf("127.0.0.1:%d", bound.Port), letGo, nil
}
