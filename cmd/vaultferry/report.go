package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/migrate/report"
	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) reportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Verify and cosign the report of a migration",
		Long: `The report of a migration is a signed file that says what was planned, what was
done, and what stands on both sides. It holds no value and no secret's name. Other
tools verify it too: it is an in-toto Statement in a DSSE envelope.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.reportVerifyCommand(), a.reportCosignCommand())
	return cmd
}

// readReport takes a file that is none as what failed: it may have been changed.
func readReport(file string) (*report.Report, error) {
	b, err := readSome(file, report.MaxSize)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	r, err := report.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

func (a *app) reportVerifyCommand() *cobra.Command {
	var keys, audits []string
	cmd := &cobra.Command{
		Use:   "verify REPORT [FILE...]",
		Short: "Say who signed a report, and what it says",
		Long: `Verifies the report offline and prints what it says. --public-key is a file that
"keys public --signing" printed, or a key in PEM; without it the configuration's
keyring verifies. Given several times, each is a party, and each must have signed.

FILE is a plan or an inventory: it must be one that the report is about, to the
byte. --audit-file is a file of the audit of the gateway that moved: the first and
the last line of the run must stand there as the report names them.

Exit code 0 means that the report is what was signed. Whether all went well, it
says itself.`,
		Example: `  vaultferry report verify move.report --public-key source-keys.json
  vaultferry report verify move.report --public-key source-keys.json --public-key target-keys.json
  vaultferry report verify move.report source.inventory target.inventory`,
		Args: atLeast("REPORT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.reportVerify(cmd.Context(), args[0], args[1:], keys, audits)
		},
	}
	cmd.Flags().StringArrayVar(&keys, "public-key", nil, "a party's public keys; may be given several times")
	cmd.Flags().StringArrayVar(&audits, "audit-file", nil, "a file of the audit that the run wrote to; may be given several times")
	return cmd
}

// reportView is a verified report, for programs.
type reportView struct {
	Report     string            `json:"report"`
	Signatures []signatureView   `json:"signatures"`
	Files      []subjectView     `json:"files,omitempty"`
	Audited    bool              `json:"audited,omitempty"` // the audit's files have the lines
	Whole      bool              `json:"whole"`             // all was done, and what differs was foretold
	Statement  *report.Statement `json:"statement"`
}

type signatureView struct {
	Key      string `json:"key"`
	Verified bool   `json:"verified"` // false: none of the files has the key
	By       string `json:"by,omitempty"`
}

// subjectView is a file that is one of the report's subjects.
type subjectView struct {
	File string `json:"file"`
	Is   string `json:"is"`
}

// subjects are what the three files are.
var subjects = []string{"plan", "source's inventory", "target's inventory"}

func (a *app) reportVerify(ctx context.Context, file string, files, keyFiles, audits []string) error {
	r, err := readReport(file)
	if err != nil {
		return err
	}
	names, parties, err := a.parties(ctx, keyFiles)
	if err != nil {
		return err
	}
	found, err := r.Verify(parties...)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	v := reportView{Report: file, Whole: r.Statement.Predicate.Whole(), Statement: r.Statement}
	for _, s := range found {
		view := signatureView{Key: s.KeyID}
		if s.Party >= 0 {
			view.Verified, view.By = true, names[s.Party]
		}
		v.Signatures = append(v.Signatures, view)
	}
	for _, f := range files {
		is, err := subjectOf(r.Statement, f)
		if err != nil {
			return err
		}
		v.Files = append(v.Files, subjectView{f, is})
	}
	if len(audits) > 0 {
		if err := auditHolds(audits, r.Statement.Predicate.Audit); err != nil {
			return err
		}
		v.Audited = true
	}
	return a.print(v, v.text)
}

// auditHolds fails unless the lines stand in the files.
func auditHolds(files []string, span *report.Audit) error {
	if span == nil {
		return errors.New("the report names no line of the audit")
	}
	files, err := audit.InOrder(files)
	if err != nil {
		return &exitError{exitUsage, err}
	}
	wanted := map[uint64]string{span.First.Number: span.First.SHA256, span.Last.Number: span.Last.SHA256}
	err = audit.Scan(files, func(l audit.Line) error {
		e, err := audit.Parse(l.Raw)
		if err != nil || wanted[e.Seq] == "" { // a line that was cut short is none
			return nil
		}
		if sum := sha256.Sum256(l.Raw); hex.EncodeToString(sum[:]) != wanted[e.Seq] {
			return fmt.Errorf("%s: line %d is not the one that the report names", l.File, e.Seq)
		}
		delete(wanted, e.Seq)
		return nil
	})
	if err == nil && len(wanted) > 0 {
		err = fmt.Errorf("the audit's files do not hold line %d, which the report names", slices.Min(slices.Collect(maps.Keys(wanted))))
	}
	return err
}

// parties are the keys of each file, or those of the configuration's keyring.
func (a *app) parties(ctx context.Context, files []string) (names []string, parties [][]backup.SigningKey, err error) {
	for _, file := range files {
		keys, err := readSigningKeys(file)
		if err != nil {
			return nil, nil, err
		}
		names, parties = append(names, file), append(parties, keys)
	}
	if len(files) > 0 {
		return names, parties, nil
	}
	cfg, err := a.loadUnresolved()
	if err != nil {
		return nil, nil, err
	}
	ring, err := a.keyring(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	if len(ring.SigningKeys()) == 0 {
		return nil, nil, usagef("%s holds no key that signs: name one with --public-key", a.keyringName(cfg))
	}
	return []string{a.keyringName(cfg)}, [][]backup.SigningKey{ring.SigningKeys()}, nil
}

func subjectOf(s *report.Statement, file string) (string, error) {
	digest, err := fileDigest(file)
	if err != nil {
		return "", &exitError{exitUsage, fmt.Errorf("%s: %w", file, secret.WithoutPath(err))}
	}
	for i, subject := range s.Subject {
		if subject.Digest.SHA256 == digest {
			return subjects[i], nil
		}
	}
	return "", fmt.Errorf("%s: the report is about no file with its SHA-256, %s", file, digest)
}

func (v *reportView) text(w io.Writer) error {
	m := &v.Statement.Predicate
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, s := range v.Signatures {
		if s.Verified {
			say("%s: signed by %s (%s)", printable(v.Report), s.Key, printable(s.By))
		} else {
			say("%s: %s is said to have signed it too, and no key was there to verify that", printable(v.Report), s.Key)
		}
	}
	for _, f := range v.Files {
		say("%s: is the %s", printable(f.File), f.Is)
	}
	say("run %s of gateway %s, %s", printable(m.Run), printable(m.Gateway), printable(m.Program))
	say("from %s (%s) to %s (%s), report of %s", printable(m.Source.Store), printable(m.Source.Product), printable(m.Target.Store), printable(m.Target.Product), m.Made.Format(timeForPeople))
	say("planned: %s: %s; %d to be written, %d stay behind, %d not listed", secrets(m.Plan.Secrets), countsOf(m.Plan.Classes), m.Plan.Act, m.Plan.Stay, m.Plan.LeftOut)
	say("done: %d; failed: %d, skipped: %d, not tried: %d; %d versions in %d runs", m.Moved.Done, m.Moved.Failed, m.Moved.Skipped, m.Moved.NotTried, m.Moved.Versions, m.Moved.Runs)
	c := m.Compared
	say("compared: %d same, %d differ as foretold, %d in attributes alone, %d different, %d only in the source, %d only in the target, %d not read",
		c.Same, c.Foretold, c.Attributes, c.Different, c.OnlySource, c.OnlyTarget, c.Unread)
	for _, l := range m.Losses {
		say("lost, %s: %s, %d foretold, %d found", l.Grade, printable(l.What), l.Foretold, l.Found)
	}
	say("root of the source %s\nroot of the target %s", m.Source.Root, m.Target.Root)
	if m.Audit != nil {
		held := ""
		if v.Audited {
			held = ", as they stand in the files"
		}
		say("audit: lines %d to %d%s", m.Audit.First.Number, m.Audit.Last.Number, held)
	}
	if v.Whole {
		say("all that was planned was done, and nothing differs that was not foretold")
	} else {
		say("NOT ALL is as it was planned, or something differs that was not foretold")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const timeForPeople = "2006-01-02 15:04:05 MST"

// countsOf says 2 create, 1 same.
func countsOf(classes map[string]int) string {
	var all []string
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		all = append(all, fmt.Sprintf("%d %s", classes[class], class))
	}
	return strings.Join(all, ", ")
}
