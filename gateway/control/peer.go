package control

import (
	"net"
	"os"
	"os/user"
	"strconv"

	"github.com/vaultferry/vaultferry/secret"
)

type peerKey struct{}

// peer is the user at the other end of a connection, or why there is none.
type peer struct {
	user string
	err  error
}

// peerOf asks the system. The socket's mode keeps others away; that they are
// not ours is checked all the same.
func peerOf(c net.Conn) peer {
	uid, err := peerUID(c)
	switch {
	case err != nil:
		return peer{err: err}
	case !trusted(uid):
		return peer{err: secret.Errorf(secret.Denied, "this gateway takes commands of its own user and of root alone")}
	}
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil && u.Username != "" {
		id = u.Username
	}
	return peer{user: id}
}

func trusted(uid int) bool { return uid == os.Geteuid() || uid == 0 }
