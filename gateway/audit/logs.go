package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"iter"
	"slices"
	"time"
)

// Logs parts files by the log that they are of, each in the order of its lines. A
// file that does not say of which it is goes with the first.
func Logs(paths []string) ([][]string, error) {
	sorted, err := InOrder(paths)
	if err != nil {
		return nil, err
	}
	var ids []string
	of := map[string][]string{}
	for _, p := range paths { // logs come in the order in which they were named
		id, err := LogOf(p)
		if err != nil {
			return nil, err
		}
		if of[id] == nil {
			ids = append(ids, id)
		}
		of[id] = append(of[id], p)
	}
	if i := slices.Index(ids, ""); i >= 0 && len(ids) > 1 {
		ids = slices.Delete(ids, i, i+1)
		of[ids[0]] = append(of[ids[0]], of[""]...)
	}
	logs := make([][]string, len(ids))
	for i, id := range ids {
		for _, p := range sorted {
			if slices.Contains(of[id], p) {
				logs[i] = append(logs[i], p)
			}
		}
	}
	return logs, nil
}

// LogOf is the log's id, as far as the first line of the file tells. Empty: it does
// not.
func LogOf(path string) (id string, err error) {
	err = Scan([]string{path}, func(l Line) error {
		e, err := Parse(l.Raw)
		switch {
		case err != nil:
		case e.Seq == 1:
			sum := sha256.Sum256(l.Raw)
			id = hex.EncodeToString(sum[:8])
		case e.Tree != nil:
			id = e.Tree.Log
		}
		return errFound
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return id, err
}

// ScanLogs is Scan over several logs at once: each line in the order of its own log,
// and of those that come next the oldest first.
func ScanLogs(logs [][]string, f func(Line) error) error {
	if len(logs) == 1 {
		return Scan(logs[0], f)
	}
	var heads []*head
	for _, paths := range logs {
		h := new(head)
		h.next, h.stop = iter.Pull2(lines(paths))
		defer h.stop()
		if err := h.step(); err != nil {
			return err
		}
		heads = append(heads, h)
	}
	for {
		var oldest *head
		for _, h := range heads {
			if !h.over && (oldest == nil || h.time.Before(oldest.time)) {
				oldest = h
			}
		}
		if oldest == nil {
			return nil
		}
		if err := f(oldest.line); err != nil {
			return err
		}
		if err := oldest.step(); err != nil {
			return err
		}
	}
}

// head is where the scan of one log is. A line that was cut short has the time of
// the one before.
type head struct {
	next func() (Line, error, bool)
	stop func()
	line Line
	time time.Time
	over bool
}

func (h *head) step() error {
	l, err, ok := h.next()
	if err != nil || !ok {
		h.over = true
		return err
	}
	h.line = l
	if e, err := Parse(l.Raw); err == nil {
		h.time = e.Time
	}
	return nil
}

func lines(paths []string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		err := Scan(paths, func(l Line) error {
			if !yield(l, nil) {
				return errFound
			}
			return nil
		})
		if err != nil && !errors.Is(err, errFound) {
			yield(Line{}, err)
		}
	}
}
