package control

import (
	"errors"
	"net"
	"syscall"
)

// isServed: the system tells who is at the other end of a socket.
const isServed = true

// peerUID is the user at the other end of a socket.
func peerUID(c net.Conn) (uid int, err error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0, errors.New("not a socket of this machine")
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *syscall.Ucred
	err2 := raw.Control(func(fd uintptr) {
		cred, err = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err := errors.Join(err, err2); err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}
