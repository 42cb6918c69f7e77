package audit

import "golang.org/x/sys/unix"

// roomOf is how many bytes the file system of the folder has for this process.
func roomOf(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // the types differ between systems
}
