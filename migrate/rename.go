package migrate

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/secret"
)

// Why a table of names is not read.
var (
	errNotUTF8    = errors.New("it is not UTF-8: save it as \"CSV UTF-8\"")
	errSeparators = errors.New("its lines can be split at different characters: put names that contain a comma, a semicolon or a tab in quotes")
	errNoTable    = errors.New("want lines \"from,to\", all split at commas, at semicolons or at tabs")
)

// ParseRename reads a table of two columns as editors and spreadsheets write it, in
// UTF-8: the name at the source, and that at the target. All lines are split at
// commas, at semicolons or at tabs. What could be read in two ways is refused.
// A first line "from,to" is a heading; lines without a name are passed over.
func ParseRename(text []byte) (map[secret.Name]secret.Name, error) {
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return nil, errNotUTF8
	}
	separators := []rune{',', ';', '\t'}
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	if is, ok := strings.CutPrefix(strings.TrimRight(string(first), "\r"), "sep="); ok && len(is) == 1 && strings.Contains(",;\t", is) {
		separators, text = []rune{rune(is[0])}, rest // Excel's own line
	}
	var found map[secret.Name]secret.Name
	var why error
	for _, s := range separators {
		names, err := renameRows(text, s)
		var content *renameError
		switch {
		case err == nil && found != nil && len(names) > 0:
			return nil, errSeparators
		case err == nil && found == nil:
			found = names
		case errors.As(err, &content):
			why = err
		}
	}
	switch {
	case why != nil && found != nil:
		return nil, errSeparators
	case why != nil: // it is a table by this separator, and a wrong one
		return nil, why
	case found == nil:
		return nil, errNoTable
	}
	return found, nil
}

// renameError is a fault of a line that has two columns.
type renameError struct {
	line int
	what string
}

func (e *renameError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.what) }

func renameRows(text []byte, separator rune) (map[secret.Name]secret.Name, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord = separator, -1
	names := map[secret.Name]secret.Name{}
	var wrong *renameError
	for heading := true; ; {
		row, err := r.Read()
		switch {
		case err == io.EOF && wrong != nil:
			return nil, wrong
		case err == io.EOF:
			return names, nil
		case err != nil:
			return nil, err
		}
		for len(row) > 0 && strings.TrimSpace(row[len(row)-1]) == "" && (len(row) > 2 || strings.TrimSpace(row[0]) == "") {
			row = row[:len(row)-1] // empty cells of a spreadsheet
		}
		if len(row) == 0 {
			continue
		}
		if len(row) != 2 {
			return nil, errNoTable
		}
		was := heading
		if heading = false; was && strings.EqualFold(row[0], "from") && strings.EqualFold(row[1], "to") {
			continue
		}
		line, _ := r.FieldPos(0)
		from, to := secret.Name(row[0]), secret.Name(row[1])
		_, twice := names[from]
		switch names[from] = to; {
		case wrong != nil:
		case from == "" || to == "":
			wrong = &renameError{line, "one of the two names is missing"}
		case twice:
			wrong = &renameError{line, fmt.Sprintf("%q is named twice", row[0])}
		}
	}
}
