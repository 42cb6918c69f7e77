package audit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// beside lists the files in the audit's folder that may be of the same log:
// audit-20261130T124048.123Z.jsonl, and audit.jsonl.1 or audit.jsonl-20261130.gz of
// other programs. Whether they are, their lines say.
func beside(path string) []string {
	ext := filepath.Ext(path)
	stem := strings.TrimSuffix(filepath.Base(path), ext)
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil
	}
	var all []string
	for _, d := range entries {
		name := d.Name()
		whole := stem + ext
		ours := strings.HasPrefix(name, stem+"-") || strings.HasPrefix(name, whole+".") || strings.HasPrefix(name, whole+"-")
		if !ours || !d.Type().IsRegular() || name == whole || strings.HasSuffix(name, ".new") || strings.HasSuffix(name, checkpointSuffix) {
			continue
		}
		all = append(all, filepath.Join(filepath.Dir(path), name))
	}
	slices.Sort(all)
	return all
}

// newestBeside is the file that was last moved away from the path: the one
// whose lines have the highest numbers. Empty: there is none.
func newestBeside(path string) string {
	newest, most := "", uint64(0)
	for _, name := range beside(path) {
		if strings.HasSuffix(name, ".gz") {
			continue // it was moved before the one that is not packed yet
		}
		if seq := lastOf(name); seq > most {
			newest, most = name, seq
		}
	}
	return newest
}

// lastOf is the number of the last line of a file; 0: it holds none.
func lastOf(name string) uint64 {
	f, err := os.Open(name)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 0
	}
	if first, ok := firstEntry(f); !ok || first.Seq == 0 {
		return 0
	}
	at := firstLink()
	if resumeTail(f, &at, info.Size()) != nil {
		return 0
	}
	return at.seq
}
