package heap

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mapping is one of the process's.
type mapping struct {
	from, to uintptr
	perms    string
	path     string
	resident int // KiB
	changed  bool
}

// forgetProgram takes the program's own pages out of the process's memory, most of which
// the start alone needed. They stay in the system's cache, and each that is used again
// comes back by a fault that reads no disk. smaps is the system's file of mappings.
//
// It touches only what is mapped from the program's file, cannot be written and was not
// changed: a page of anything else would lose what stands in it.
func forgetProgram(smaps string) error {
	all, err := programMappings(smaps)
	for _, m := range all {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED); errno != 0 {
			err = errors.Join(err, errno)
		}
	}
	return err
}

// programMappings are those that forgetProgram may touch.
func programMappings(smaps string) (all []mapping, err error) {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	f, err := os.Open(smaps)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	var m mapping
	end := func() {
		if m.path == program && !m.changed && (m.perms == "r-xp" || m.perms == "r--p") {
			all = append(all, m)
		}
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, rest, _ := strings.Cut(lines.Text(), " ")
		switch {
		case !strings.HasSuffix(key, ":"):
			end()
			m = newMapping(key, rest)
		case key == "Anonymous:":
			m.changed = kib(rest) != 0
		case key == "Rss:":
			m.resident = kib(rest)
		}
	}
	end()
	return all, lines.Err()
}

// newMapping reads the line that a mapping begins with. Where it says anything else, the
// mapping has no path.
func newMapping(addresses, rest string) mapping {
	from, to, _ := strings.Cut(addresses, "-")
	m := mapping{changed: true} // until the file says that it is not
	begin, err := strconv.ParseUint(from, 16, 64)
	end, endErr := strconv.ParseUint(to, 16, 64)
	fields := strings.Fields(rest) // permissions, offset, device, inode, path
	if err != nil || endErr != nil || end <= begin || len(fields) < 5 {
		return m
	}
	_, path, _ := strings.Cut(rest, "/")
	m.from, m.to, m.perms, m.path = uintptr(begin), uintptr(end), fields[0], "/"+path
	return m
}

// kib reads "  12 kB"; -1: it is something else.
func kib(text string) int {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(text), " kB"))
	if err != nil {
		return -1
	}
	return n
}
