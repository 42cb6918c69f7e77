//go:build !linux

package postgrestest

import (
	"os"
	"os/exec"
)

func asPostgres(*exec.Cmd) error { return nil }

func owner() (uid, gid int, err error) { return os.Getuid(), os.Getgid(), nil }
