package audit

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Line is one line of a file, as it stands.
type Line struct {
	File   string
	Number int    // in the file, from 1
	Raw    []byte // without the newline; good until the next line
	Torn   bool   // the file ends without a newline
}

// Scan gives each line of the files to f, in order. Those that end in .gz are
// unpacked. An error of f ends it.
func Scan(paths []string, f func(Line) error) error {
	for _, path := range paths {
		if err := scanFile(path, f); err != nil {
			return err
		}
	}
	return nil
}

func scanFile(path string, f func(Line) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	var in io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(file); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	r := bufio.NewReaderSize(in, 1<<16)
	for n := 1; ; n++ {
		line, err := readLine(r)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err == nil || len(line) > 0 {
			if e := f(Line{File: path, Number: n, Raw: line, Torn: err != nil}); e != nil {
				return e
			}
		}
		if err != nil {
			return nil
		}
	}
}

// errFound ends a scan.
var errFound = errors.New("found")

// ends are the first whole line of a file, and where a chain stands behind the
// last one.
func ends(path string) (first Entry, at link, err error) {
	at = firstLink()
	err = Scan([]string{path}, func(l Line) error {
		if at.seq == 0 {
			first, _ = Parse(l.Raw)
		}
		at.follow(l.Raw)
		return nil
	})
	return first, at, err
}

// Files lists the files of the log at path in their order: that one, and those
// beside it that it goes on behind. An older file that lacks leaves the ones
// before it out.
func Files(path string) ([]string, error) {
	first, _, err := ends(path)
	if err != nil {
		return nil, err
	}
	files := []string{path}
	candidates := beside(path)
	for first.Op == OpBegin && first.Seq > 1 {
		before, e := predecessor(candidates, first)
		if before == "" {
			break
		}
		candidates = slices.DeleteFunc(candidates, func(s string) bool { return s == before })
		files = append([]string{before}, files...)
		first = e
	}
	return files, nil
}

// predecessor is the file whose last line the entry is chained to; else, where
// that was changed, the one whose numbers end before it.
func predecessor(candidates []string, next Entry) (string, Entry) {
	second, secondFirst := "", Entry{}
	for _, c := range candidates {
		first, at, err := ends(c)
		switch {
		case err != nil || first.Seq == 0:
		case at.hex() == next.Chain:
			return c, first
		case first.Seq < next.Seq && first.Seq > secondFirst.Seq:
			second, secondFirst = c, first
		}
	}
	return second, secondFirst
}

// InOrder sorts files by their first lines.
func InOrder(paths []string) ([]string, error) {
	begins := map[string]uint64{}
	for _, p := range paths {
		err := Scan([]string{p}, func(l Line) error {
			e, _ := Parse(l.Raw)
			begins[p] = e.Seq
			return errFound
		})
		if err != nil && !errors.Is(err, errFound) {
			return nil, err
		}
	}
	sorted := slices.Clone(paths)
	slices.SortStableFunc(sorted, func(a, b string) int { return int(min(max(int64(begins[a])-int64(begins[b]), -1), 1)) })
	return sorted, nil
}
