package main

import (
	"bytes"
	"encoding/csv"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/secret"
)

// separators stand between the two names of a line. A spreadsheet writes the second
// where a comma is for decimals.
var separators = []rune{',', ';', '\t'}

// readRenames reads lines "from,to" as spreadsheets and editors save them: with any one
// of the separators in all lines.
func readRenames(file string) (map[secret.Name]secret.Name, error) {
	text, err := readText(file, maxBlobFile)
	if err != nil {
		return nil, usagef("--rename: %v", err)
	}
	if !utf8.Valid(text) {
		return nil, usagef("--rename: %s is not UTF-8, so its names cannot be told for sure: save it as UTF-8, as \"CSV UTF-8\" in a spreadsheet", file)
	}
	var rows [][]string
	var first error
	for _, separator := range separators {
		r := csv.NewReader(bytes.NewReader(text))
		r.FieldsPerRecord, r.Comma = 2, separator
		if rows, err = r.ReadAll(); err == nil {
			break
		}
		if first == nil {
			first = err
		}
	}
	if err != nil {
		return nil, usagef("--rename: %s: want lines \"from,to\", with one comma, semicolon or tab between the names in all of them: %v", file, first)
	}
	renames := map[secret.Name]secret.Name{}
	for _, row := range rows {
		from := secret.Name(row[0])
		if _, twice := renames[from]; twice {
			return nil, usagef("--rename: %s names %q twice", file, row[0])
		}
		renames[from] = secret.Name(row[1])
	}
	return renames, nil
}
