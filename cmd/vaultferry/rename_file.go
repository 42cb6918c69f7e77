package main

import (
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// readRenames reads the table of names in a file.
func readRenames(file string) (map[secret.Name]secret.Name, error) {
	text, err := readText(file, maxBlobFile)
	if err != nil {
		return nil, usagef("--rename: %v", err)
	}
	renames, err := migrate.ParseRename(text)
	if err != nil {
		return nil, usagef("--rename: %s: %v", file, err)
	}
	return renames, nil
}
