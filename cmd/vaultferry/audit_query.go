package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/migrate/report"
)

// auditFilter are the flags that choose lines. Each is a pattern, where `*` is
// any run of characters and `?` any one.
type auditFilter struct {
	patterns     map[string]*string
	since, until string

	from, to time.Time
}

var auditFields = []struct {
	flag, help string
	of         func(*audit.Entry) string
}{
	{"caller", "who called", func(e *audit.Entry) string { return e.Caller }},
	{"credential", "what the caller proved itself by", func(e *audit.Entry) string { return e.Credential }},
	{"name", "the secret", func(e *audit.Entry) string { return e.Name }},
	{"store", "the store", func(e *audit.Entry) string { return e.Store }},
	{"action", "the policy's word: get, set, ...", func(e *audit.Entry) string { return e.Action }},
	{"op", "the operation: azure.GetSecret, cli.restore, audit.gap, ...", func(e *audit.Entry) string { return e.Op }},
	{"result", "ok, skipped, damaged or a kind of error", func(e *audit.Entry) string { return e.Result }},
	{"address", "from where", func(e *audit.Entry) string { return e.Address }},
	{"request-id", "the id that the client got", func(e *audit.Entry) string { return e.RequestID }},
}

func (f *auditFilter) flags(cmd *cobra.Command) {
	f.patterns = map[string]*string{}
	for _, field := range auditFields {
		f.patterns[field.flag] = cmd.Flags().String(field.flag, "*", field.help)
	}
	cmd.Flags().StringVar(&f.since, "since", "", "from this time on (RFC 3339, a day, or a duration before now)")
	cmd.Flags().StringVar(&f.until, "until", "", "before this time")
}

func (f *auditFilter) settle(now time.Time) (err error) {
	if f.from, err = auditTime("since", f.since, now); err != nil {
		return err
	}
	f.to, err = auditTime("until", f.until, now)
	return err
}

func auditTime(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, usagef("--%s is a time such as 2026-11-30T12:00:00Z, a day such as 2026-11-30, or how long ago, such as 24h", flag)
}

func (f *auditFilter) match(e *audit.Entry) bool {
	if !f.from.IsZero() && e.Time.Before(f.from) || !f.to.IsZero() && !e.Time.Before(f.to) {
		return false
	}
	for _, field := range auditFields {
		if p := *f.patterns[field.flag]; p != "*" && !access.Match(p, field.of(e)) {
			return false
		}
	}
	return true
}

// each gives every line that matches to do.
func (a *app) each(named []string, f *auditFilter, do func(raw []byte, e *audit.Entry) error) error {
	if err := f.settle(a.now()); err != nil {
		return err
	}
	logs, err := a.auditLogs(named)
	if err != nil {
		return err
	}
	return audit.ScanLogs(logs, func(l audit.Line) error {
		e, err := audit.Parse(l.Raw)
		if err != nil || !f.match(&e) { // a line that was cut short tells of nothing
			return nil
		}
		return do(l.Raw, &e)
	})
}

// auditSpan names the first and the last line of the calls with the id in that
// time. Nil: there is no audit, or it has none of them.
func (a *app) auditSpan(id string, from, to time.Time) (*report.Audit, error) {
	cfg, err := a.loadUnresolved()
	if err != nil {
		return nil, err
	}
	files, err := audit.Files(cfg.Audit.File)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var span *report.Audit
	err = audit.Scan(files, func(l audit.Line) error {
		e, err := audit.Parse(l.Raw)
		if err != nil || e.RequestID != id || e.Time.Before(from) || e.Time.After(to) {
			return nil
		}
		sum := sha256.Sum256(l.Raw)
		line := report.Line{Number: e.Seq, SHA256: hex.EncodeToString(sum[:])}
		if span == nil {
			span = &report.Audit{First: line}
		}
		span.Last = line
		return nil
	})
	return span, err
}

func (a *app) auditQueryCommand() *cobra.Command {
	var f auditFilter
	cmd := &cobra.Command{
		Use:   "query [FILE...]",
		Short: "Find lines of the audit",
		Long: `Prints the lines that match all flags, oldest first. Each flag but the times is a
pattern, in which * is any run of characters and ? any one. A query verifies
nothing: see "audit verify". FILE may be of several gateways: their lines are put
together by time.`,
		Example: `  vaultferry audit query --name db-password --since 24h
  vaultferry audit query --caller app --result denied --output json
  vaultferry audit query --request-id 7f3c9a52-0d7e-4a5b-8b0e-2f6f9f1f7f10
  vaultferry audit query --name db-password gw1/audit*.jsonl gw2/audit*.jsonl`,
		RunE: func(_ *cobra.Command, args []string) error { return a.auditQuery(args, &f) },
	}
	f.flags(cmd)
	return cmd
}

func (a *app) auditQuery(named []string, f *auditFilter) (err error) {
	w := bufio.NewWriter(a.out)
	defer func() { err = errors.Join(err, w.Flush()) }()
	if !a.json() {
		return a.each(named, f, func(_ []byte, e *audit.Entry) error {
			_, err := fmt.Fprintln(w, auditText(e))
			return err
		})
	}
	sep := "{\"lines\": [\n"
	err = a.each(named, f, func(raw []byte, _ *audit.Entry) error {
		_, err := fmt.Fprintf(w, "%s%s", sep, bytes.TrimSpace(raw))
		sep = ",\n"
		return err
	})
	if err != nil {
		return err
	}
	if sep != ",\n" {
		_, err = io.WriteString(w, sep)
	}
	_, endErr := io.WriteString(w, "\n]}\n")
	return errors.Join(err, endErr)
}

// auditText is a line for people.
func auditText(e *audit.Entry) string {
	words := []string{e.Time.Format(time.RFC3339), strconv.FormatUint(e.Seq, 10), orDash(e.Caller), e.Op}
	if e.Phase == audit.Intent {
		words = append(words, "(intent)")
	}
	switch {
	case e.Name != "":
		words = append(words, e.Store+"/"+e.Name)
	case e.Store != "":
		words = append(words, e.Store)
	}
	words = append(words, e.Result)
	if e.Reason != "" {
		words = append(words, "("+e.Reason+")")
	}
	if e.Tally != nil {
		words = append(words, fmt.Sprintf("%d times", e.Tally.Count))
	}
	if e.Address != "" {
		words = append(words, "from", e.Address)
	}
	if e.RequestID != "" {
		words = append(words, e.RequestID)
	}
	for i, word := range words {
		words[i] = printableText(word)
	}
	return strings.Join(words, " ")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// printableText quotes what would do something to a terminal.
func printableText(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.QuoteToASCII(s)
	}
	return s
}

func (a *app) auditExportCommand() *cobra.Command {
	var f auditFilter
	var format string
	cmd := &cobra.Command{
		Use:   "export [FILE...]",
		Short: "Write the audit as other programs read it, a line for each",
		Long: `Formats: json, the lines as they stand; ocsf, API Activity of the Open
Cybersecurity Schema Framework 1.3; cef, ArcSight's Common Event Format. The flags
choose lines as those of "audit query" do.`,
		Example: `  vaultferry audit export --format ocsf --since 24h > audit.ocsf.jsonl
  vaultferry audit export --format cef audit-20261130T124048.123Z.jsonl`,
		RunE: func(_ *cobra.Command, args []string) (err error) {
			write, ok := auditFormats[format]
			if !ok {
				return usagef("--format is json, ocsf or cef, not %q", format)
			}
			w := bufio.NewWriter(a.out)
			defer func() { err = errors.Join(err, w.Flush()) }()
			return a.each(args, &f, func(raw []byte, e *audit.Entry) error {
				text, err := write(raw, e)
				if err == nil {
					_, err = w.Write(append(text, '\n'))
				}
				return err
			})
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&format, "format", "json", "json, ocsf or cef")
	return cmd
}

var auditFormats = map[string]func(raw []byte, e *audit.Entry) ([]byte, error){
	"json": func(raw []byte, _ *audit.Entry) ([]byte, error) { return bytes.Clone(bytes.TrimSpace(raw)), nil },
	"ocsf": func(_ []byte, e *audit.Entry) ([]byte, error) {
		return json.Marshal(audit.OCSF(e, readVersion().Version))
	},
	"cef": func(_ []byte, e *audit.Entry) ([]byte, error) {
		return []byte(audit.CEF(e, readVersion().Version)), nil
	},
}
