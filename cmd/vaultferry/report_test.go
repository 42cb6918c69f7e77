package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate/report"
)

// cmdReportOf signs a report of a move that wrote all of the source's inventory.
func cmdReportOf(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 6)
	keys, err := loadKeyring(ts.MkAbs(args[0]))
	ts.Check(err)
	var sums [3]string
	for i := range sums {
		sums[i], err = fileDigest(ts.MkAbs(args[i+1]))
		ts.Check(err)
	}
	source, key := storeOf(ts, args[2])
	target, _ := storeOf(ts, args[3])
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	s, err := report.New(report.Migration{
		Run: "run-1", Gateway: source.Gateway, Program: readVersion().line(), Made: time.Now(), RunKeyID: key,
		Plan:   report.Plan{File: args[1], Made: at, Secrets: source.Secrets, Classes: map[string]int{"create": source.Secrets}, Act: source.Secrets},
		Source: source, Target: target, Moved: report.Moved{Begun: at, Ended: at, Runs: 1, Done: source.Secrets, Versions: source.Secrets},
		Compared: report.Compared{Same: source.Secrets}, Losses: []report.Loss{{Grade: "trace", What: "uid", Foretold: 1}},
		Audit: spanOf(ts, args[4]),
	}, sums[0], sums[1], sums[2])
	ts.Check(err)
	r, err := report.Sign(s, keys)
	ts.Check(err)
	b, err := r.Encode()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[5]), b, 0o600))
}

func storeOf(ts *testscript.TestScript, file string) (report.Store, string) {
	f, err := os.Open(ts.MkAbs(file))
	ts.Check(err)
	defer func() { ts.Check(f.Close()) }()
	r, err := inventory.NewReader(f, nil)
	for err == nil {
		_, err = r.Next()
	}
	if !errors.Is(err, io.EOF) {
		ts.Fatalf("%s: %v", file, err)
	}
	return report.StoreOf(file, r), r.Header.RunKeyID
}

// spanOf are the first and the last line of an audit.
func spanOf(ts *testscript.TestScript, file string) *report.Audit {
	var all []report.Line
	ts.Check(audit.Scan([]string{ts.MkAbs(file)}, func(l audit.Line) error {
		sum := sha256.Sum256(l.Raw)
		all = append(all, report.Line{Number: uint64(len(all) + 1), SHA256: hex.EncodeToString(sum[:])})
		return nil
	}))
	return &report.Audit{First: all[0], Last: all[len(all)-1]}
}
