//go:build !linux

package heap

func forgetProgram(string) error { return nil }
