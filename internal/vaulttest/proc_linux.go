package vaulttest

import (
	"os/exec"
	"syscall"
)

// dieWithParent ends the server with a test binary that was killed.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
