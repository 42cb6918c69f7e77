package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) json() bool { return a.output == "json" }

// print writes one JSON document, or what text writes for people.
func (a *app) print(document any, text func(io.Writer) error) error {
	var b bytes.Buffer
	if !a.json() {
		err := text(&b)
		_, writeErr := visibleWriter{a.out}.Write(b.Bytes())
		return errors.Join(err, writeErr)
	}
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(document); err != nil {
		return err
	}
	_, err := a.out.Write(visibleJSON(b.Bytes()))
	return err
}

// table aligns rows of cells that hold tabs in between.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if _, err := fmt.Fprintln(t, strings.Join(r, "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// secretView is a secret as programs see it, with the tags that are shown. Keys
// are only ever added.
type secretView struct {
	Store       string            `json:"store,omitempty"`
	Name        string            `json:"name"`
	Spelled     []spelling        `json:"spelled,omitempty"` // where others see another name
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitzero"`
	Created     *time.Time        `json:"created,omitempty"`
	Updated     *time.Time        `json:"updated,omitempty"`
	Deleted     *time.Time        `json:"deleted,omitempty"`
	Recoverable *time.Time        `json:"recoverable_until,omitempty"` // of what is deleted
	Current     int64             `json:"current"`
	Previous    int64             `json:"previous,omitempty"`
	Versions    []versionView     `json:"versions,omitempty"`
}

type versionView struct {
	Version     int64             `json:"version"`
	ID          string            `json:"id"`
	Enabled     bool              `json:"enabled"`
	Missing     string            `json:"missing,omitempty"`
	ContentType string            `json:"content_type,omitempty"`
	Tags        map[string]string `json:"tags,omitzero"`
	Stages      []string          `json:"stages,omitempty"`
	NotBefore   *time.Time        `json:"not_before,omitempty"`
	Expires     *time.Time        `json:"expires,omitempty"`
	Created     *time.Time        `json:"created,omitempty"`
	Updated     *time.Time        `json:"updated,omitempty"`
	Value       *string           `json:"value,omitempty"`        // only where it was asked for
	ValueBase64 *string           `json:"value_base64,omitempty"` // a value that is no text
}

func viewSecret(store string, s *secret.Secret) secretView {
	v := secretView{
		Store: store, Name: string(s.Name), Description: s.Description, Tags: s.ShownTags(nil),
		Created: timeOrNil(s.Created), Updated: timeOrNil(s.Updated),
		Current: int64(s.Current), Previous: int64(s.Previous),
	}
	if s.Deleted != nil {
		v.Deleted, v.Recoverable = timeOrNil(s.Deleted.At), timeOrNil(s.Deleted.Purge)
	}
	for i := range s.Versions {
		v.Versions = append(v.Versions, viewVersion(s, &s.Versions[i]))
	}
	return v
}

// viewVersion leaves the value out.
func viewVersion(s *secret.Secret, v *secret.Version) versionView {
	return versionView{
		Version: int64(v.Ordinal), ID: v.UID.String(), Enabled: !v.Disabled, Missing: string(v.Missing),
		ContentType: v.ContentType, Tags: s.ShownTags(v), Stages: v.Stages,
		NotBefore: timeOrNil(v.NotBefore), Expires: timeOrNil(v.Expires),
		Created: timeOrNil(v.Created), Updated: timeOrNil(v.Updated),
	}
}

// reveal puts the value in: as text, or as base64 where it is none.
func (v *versionView) reveal(value secret.Value) {
	if value.Form() == secret.Binary {
		s := base64.StdEncoding.EncodeToString(value.Reveal())
		v.ValueBase64 = &s
		return
	}
	s := string(value.Reveal())
	v.Value = &s
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func shortTime(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}

// versionRows is the table of a secret's versions.
func versionRows(s secretView) [][]string {
	rows := [][]string{{"VERSION", "ID", "CREATED", "EXPIRES", "STATE"}}
	for _, v := range s.Versions {
		var state []string
		switch v.Version {
		case s.Current:
			state = append(state, "current")
		case s.Previous:
			state = append(state, "previous")
		}
		for _, stage := range v.Stages {
			state = append(state, printable(stage))
		}
		if !v.Enabled {
			state = append(state, "disabled")
		}
		if v.Missing != "" {
			state = append(state, v.Missing)
		}
		rows = append(rows, []string{
			fmt.Sprint(v.Version), v.ID, shortTime(v.Created), shortTime(v.Expires), strings.Join(state, ","),
		})
	}
	return rows
}

// writeFlags are those of every command that writes.
type writeFlags struct {
	dryRun, confirm bool
}

func (w *writeFlags) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.dryRun, "dry-run", false, "say what would happen, and write nothing")
	cmd.Flags().BoolVar(&w.dryRun, "what-if", false, "the same as --dry-run")
	cmd.Flags().BoolVar(&w.confirm, "confirm", false, "ask before each change; needs a terminal")
}

// errNotTried is of what was left when the command was interrupted, or stopped.
var errNotTried = errors.New(notTried)

const notTried = "not tried"

// failedOrInterrupted is the result of what was begun and not done.
func failedOrInterrupted(ctx context.Context) string {
	if ctx.Err() != nil {
		return "interrupted"
	}
	return "failed"
}

// errDeclined is the answer no.
var errDeclined = secret.Errorf(secret.Denied, "declined")

// requireTerminal refuses --confirm where nobody can be asked.
func (w *writeFlags) requireTerminal(a *app) error {
	if w.confirm && !isTerminal(a.in) {
		return usagef("--confirm needs a terminal to ask on")
	}
	return nil
}

// approve asks, and returns errDeclined unless the answer is yes.
func (w *writeFlags) approve(ctx context.Context, a *app, question string) error {
	if !w.confirm {
		return nil
	}
	if _, err := fmt.Fprintf(a.errOut, "%s [y/N] ", visible(question)); err != nil {
		return err
	}
	line, err := interruptible(ctx, func() (string, error) { return readLine(a.in) })
	if err != nil {
		return err
	}
	if s := strings.ToLower(strings.TrimSpace(line)); s != "y" && s != "yes" {
		return errDeclined
	}
	return nil
}

// readLine reads one byte at a time: what follows the line belongs to the
// next question. The end of the input ends the line.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := r.Read(b)
		switch {
		case n == 1 && b[0] == '\n', errors.Is(err, io.EOF):
			return string(line), nil
		case err != nil:
			return "", err
		}
		line = append(line, b[:n]...)
	}
}

// interruptible returns when ctx ends, also where read cannot: the reader is
// left behind, for the program ends then.
func interruptible[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := read()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// fromPipe reads files that somebody named, any of which may be a pipe that nobody
// writes into: it returns when ctx ends. What is read after that is read all the same.
func fromPipe[T any](ctx context.Context, read func() (T, error)) (T, error) {
	if ctx.Err() != nil {
		return read()
	}
	return interruptible(ctx, read)
}

// many says how many things there are.
func many(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
