package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/snapshot"
)

// snapshotView is a snapshot as programs see it.
type snapshotView struct {
	Snapshot string              `json:"snapshot"`
	Store    string              `json:"store"`
	Gateway  string              `json:"gateway"`
	Product  string              `json:"product"`
	By       string              `json:"by"`
	Begun    time.Time           `json:"begun"`
	Ended    time.Time           `json:"ended"`
	Match    []string            `json:"match,omitempty"`
	Labels   map[string]string   `json:"labels,omitempty"`
	Count    int                 `json:"count"`
	Unread   int                 `json:"unread,omitempty"`
	Lacking  int                 `json:"lacking,omitempty"`
	LeftOut  []inventory.LeftOut `json:"left_out,omitempty"`
	Whole    bool                `json:"whole"`
	Drilled  *time.Time          `json:"drilled,omitempty"` // when everything last came back that was tried
	Secrets  []snapshot.Entry    `json:"secrets,omitempty"` // of show
}

func viewSnapshot(s *snapshot.Snapshot, drills []*snapshot.Drill) snapshotView {
	v := snapshotView{
		Snapshot: s.ID, Store: s.Store, Gateway: s.Gateway, Product: s.Product, By: s.By, Begun: s.Begun, Ended: s.End.Ended, Match: s.Match,
		Labels: s.Labels, Count: s.End.Count, Unread: s.End.Unread, Lacking: s.End.Lacking, LeftOut: s.End.LeftOut, Whole: s.Whole(),
	}
	for _, d := range drills { // the oldest first
		if d.Snapshot == s.ID && d.OK() && d.As == d.Product {
			v.Drilled = &d.Ended
		}
	}
	return v
}

// drilledOn is the day; empty: never.
func (v *snapshotView) drilledOn() string {
	if v.Drilled == nil {
		return ""
	}
	return v.Drilled.Format(time.DateOnly)
}

// labelled: the snapshot has all of the labels.
func labelled(s *snapshot.Snapshot, labels map[string]string) bool {
	for key, want := range labels {
		if is, ok := s.Labels[key]; !ok || is != want {
			return false
		}
	}
	return true
}

// history reads all snapshots, and says what is wrong with them.
func (a *app) history(r *snapshot.Repository) (*snapshot.History, error) {
	h, err := r.History()
	if err != nil {
		return nil, err
	}
	for _, d := range h.Damage {
		a.complain(d.File + ": " + d.What)
	}
	return h, nil
}

func (a *app) snapshotListCommand(f *repositoryFlags) *cobra.Command {
	var store string
	var of gatewayFlag
	var labels []string
	cmd := &cobra.Command{
		Use: "list --repo DIR", Short: "List snapshots, the oldest first",
		Long: `Lists the snapshots that are kept. One that cannot be read, or that is missing, is
named on standard error; exit code 1.`,
		Example: `  vaultferry snapshot list --repo /backup/vaults
  vaultferry snapshot list --repo /backup/vaults --store payments --label when=nightly`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			want, err := parsePairs("--label", labels)
			if err != nil {
				return err
			}
			r, err := f.open(cmd.Context(), a)
			if err != nil {
				return err
			}
			h, err := a.history(r)
			if err != nil {
				return err
			}
			drills, _, err := r.Drills() // check says what is wrong with them
			if err != nil {
				return err
			}
			wanted, err := of.narrow(h)
			if err != nil {
				return err
			}
			views, rows := []snapshotView{}, [][]string{{"SNAPSHOT", "BEGUN", "GATEWAY", "STORE", "SECRETS", "DRILLED", "LABELS", ""}}
			for _, s := range wanted.Kept {
				if (store != "" && s.Store != store) || !labelled(s, want) {
					continue
				}
				v := viewSnapshot(s, drills)
				views = append(views, v)
				rows = append(rows, []string{shortID(s.ID), s.Begun.Format(time.RFC3339), shortID(s.Gateway), s.Store, fmt.Sprint(s.End.Count), v.drilledOn(), labelText(s.Labels), notWhole(s)})
			}
			if len(h.Gateways("")) < 2 { // all are of one
				for i, row := range rows {
					rows[i] = slices.Delete(row, 2, 3)
				}
			}
			if err := a.print(views, func(w io.Writer) error { return table(w, rows) }); err != nil {
				return err
			}
			return exitIfAny(len(h.Damage))
		},
	}
	cmd.Flags().StringVar(&store, "store", "", "of this store")
	of.flags(cmd, "of this gateway, by its id or how that begins")
	cmd.Flags().StringArrayVar(&labels, "label", nil, "with this label, KEY=VALUE; may be given several times")
	return cmd
}

func labelText(labels map[string]string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		all = append(all, printable(key+"="+labels[key]))
	}
	return strings.Join(all, ",")
}

func notWhole(s *snapshot.Snapshot) string {
	if s.Whole() {
		return ""
	}
	return "not whole"
}

func (a *app) snapshotShowCommand(f *repositoryFlags) *cobra.Command {
	var match []string
	cmd := &cobra.Command{
		Use: "show ID --repo DIR", Short: "Show what is in a snapshot, and never a value",
		Long:    `ID is how the id begins that "snapshot list" shows. No key is needed: no document is opened.`,
		Example: `  vaultferry snapshot show 3f1c02aa9b7e --repo /backup/vaults --match 'team-a/*'`,
		Args:    arguments("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.open(cmd.Context(), a)
			if err != nil {
				return err
			}
			h, err := r.History()
			if err != nil {
				return err
			}
			s, err := h.Find(args[0])
			if err != nil {
				return err
			}
			drills, _, err := r.Drills() // as above
			if err != nil {
				return err
			}
			v := viewSnapshot(s, drills)
			rows := [][]string{{"SECRET", "VERSIONS", "READ", ""}}
			if _, err := r.Load(s.ID, func(e *snapshot.Entry) error {
				if matchesAny(match, string(e.Name), false) {
					v.Secrets = append(v.Secrets, *e)
					rows = append(rows, entryRow(e))
				}
				return nil
			}); err != nil {
				return err
			}
			return a.print(v, func(w io.Writer) error { return v.text(w, rows) })
		},
	}
	cmd.Flags().StringArrayVar(&match, "match", nil, "secrets whose names match: * is any run of characters, ? any one; may be given several times")
	return cmd
}

func entryRow(e *snapshot.Entry) []string {
	if e.Unread != "" {
		return []string{printable(string(e.Name)), "-", "-", "not read: " + e.Unread}
	}
	lacks := ""
	if len(e.Lacks) > 0 {
		lacks = "lacks: " + printable(strings.Join(e.Lacks, "; "))
	}
	return []string{printable(string(e.Name)), fmt.Sprint(e.Versions), e.Read.Format(time.RFC3339), lacks}
}

func (v *snapshotView) text(w io.Writer, rows [][]string) error {
	whole := ""
	if !v.Whole {
		whole = ", not whole"
	}
	_, err := fmt.Fprintf(w, "snapshot %s\nof %s (%s) at gateway %s, by %s\nbegun %s, ended %s: %s%s\n", v.Snapshot, v.Store, v.Product, v.Gateway, v.By,
		v.Begun.Format(time.RFC3339), v.Ended.Format(time.RFC3339), secrets(v.Count), whole)
	if err == nil && v.Drilled != nil {
		_, err = fmt.Fprintf(w, "drilled %s: everything that was tried came back\n", v.Drilled.Format(time.RFC3339))
	}
	if err != nil {
		return err
	}
	for _, l := range v.LeftOut {
		if _, err := fmt.Fprintln(w, leftOutLine(l)); err != nil {
			return err
		}
	}
	return table(w, rows)
}
