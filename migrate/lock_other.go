//go:build !unix

package migrate

import (
	"errors"
	"os"
)

// lock refuses where nothing would keep two runs apart.
func lock(*os.File) error { return errors.ErrUnsupported }

func syncFolder(string) error { return nil }
