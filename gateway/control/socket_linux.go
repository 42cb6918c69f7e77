package control

import "fmt"

// canShorten: a path that is too long for an address can be named by its open
// folder.
const canShorten = true

func shortened(dir int, base string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", dir, base) }
