package audit

import (
	"os"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

// sameOwner gives file the owner of old: the gateway that wrote that one must
// be able to write this one, too, if root began it.
func sameOwner(file, old *os.File) error {
	have, err := file.Stat()
	if err != nil {
		return err
	}
	want, err := old.Stat()
	if err != nil {
		return err
	}
	uid, gid, ok := osfile.Owner(want)
	if u, g, _ := osfile.Owner(have); !ok || u == uid && g == gid {
		return nil
	}
	return file.Chown(uid, gid)
}
