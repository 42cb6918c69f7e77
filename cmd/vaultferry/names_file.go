package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/secret"
)

// A file of names has one on each line. --error-file writes it, and --names-file
// reads it: also as an editor or a shell saves text.

// errorFile takes the names of what failed, one on each line.
type errorFile struct {
	path  string
	names []secret.Name
}

func (f *errorFile) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "error-file", "", "write the names of what failed to this file, anew; --names-file takes it")
}

func (f *errorFile) add(n secret.Name) {
	if f.path != "" {
		f.names = append(f.names, n)
	}
}

func (f *errorFile) write() error {
	if f.path == "" {
		return nil
	}
	var b strings.Builder
	if len(f.names) > 0 && strings.HasPrefix(string(f.names[0]), byteOrderMark) {
		b.WriteString(byteOrderMark) // the name's own would be taken for the file's
	}
	for _, n := range f.names {
		b.WriteString(string(n) + "\n")
	}
	return writeFile(f.path, []byte(b.String()), true)
}

const byteOrderMark = "\ufeff"

// namesFile names the secrets that a command is about.
type namesFile struct{ path string }

func (f *namesFile) flags(cmd *cobra.Command, does string) {
	cmd.Flags().StringVar(&f.path, "names-file", "", does+" the names in this file, one on each line")
}

// read returns nil where no file was given. match are the patterns that were.
func (f *namesFile) read(match []string) ([]secret.Name, error) {
	switch {
	case f.path == "":
		return nil, nil
	case len(match) > 0:
		return nil, usagef("--names-file names the secrets, so no other name or pattern goes with it")
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, usagef("--names-file: %v", err)
	}
	defer func() { _ = file.Close() }() // only read
	lines, err := readLines(file)
	if err != nil {
		return nil, usagef("--names-file: %s: %v", f.path, err)
	}
	names := make([]secret.Name, 0, len(lines))
	for i, line := range lines {
		n := secret.Name(line)
		if err := n.Validate(); err != nil {
			return nil, usagef("--names-file: %s: name %d: %s", f.path, i+1, message(err))
		}
		names = append(names, n)
	}
	if len(names) == 0 {
		return nil, usagef("--names-file: %s holds no name", f.path)
	}
	return names, nil
}
