package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// leftOutView is what a list does not show, for programs.
type leftOutView struct {
	Why    string `json:"why"`              // folder, unreadable, name, empty or unfinished
	Name   string `json:"name,omitempty"`   // of the secret, or what the names in the folder begin with
	Native string `json:"native,omitempty"` // what the product calls something without a name
	Reason string `json:"reason,omitempty"`
}

func viewLeftOut(all []secret.LeftOut) []leftOutView {
	views := []leftOutView{}
	for _, l := range all {
		views = append(views, leftOutView{string(l.Why), string(l.Name), l.Native, l.Detail})
	}
	return views
}

// leftOutMatching is what of all may be about names that match.
func leftOutMatching(all []secret.LeftOut, pattern string, matches func(name string) bool) []secret.LeftOut {
	return slices.DeleteFunc(all, func(l secret.LeftOut) bool {
		if l.Why == secret.LeftOutFolder {
			return !access.MatchWithin(pattern, string(l.Name))
		}
		return !matches(string(l.Name) + l.Native)
	})
}

// sayLeftOut tells people what a list of the store leaves out. The list is not
// whole: an error that has been said.
func (a *app) sayLeftOut(store string, all []secret.LeftOut) error {
	var lacking, others []secret.LeftOut
	for _, l := range all {
		if l.Incomplete() {
			lacking = append(lacking, l)
		} else {
			others = append(others, l)
		}
	}
	for _, said := range secret.LeftOutSentences(others) {
		a.complain("note: left out: " + said)
	}
	for _, said := range secret.LeftOutSentences(lacking) {
		a.complain("store " + store + ": the list is not whole: " + said)
	}
	return exitIfAny(len(lacking))
}

func leftOutTable(w io.Writer, all []secret.LeftOut) error {
	if len(all) == 0 {
		return nil
	}
	rows := [][]string{{"NAME", "WHY", "REASON"}}
	for _, l := range all {
		name := printable(string(l.Name) + l.Native)
		if name == "" {
			name = "-"
		}
		rows = append(rows, []string{name, string(l.Why), printable(l.Detail)})
	}
	return table(w, rows)
}

// unfinishedTimeout bounds the question after a restore that failed.
const unfinishedTimeout = 10 * time.Second

// howToEnd asks, after an import has failed, whether it is left unfinished, and
// returns how to finish it or to remove what stands. Empty: nothing is left, or
// nobody can tell.
func (a *app) howToEnd(ctx context.Context, s *session, err error) string {
	e, ok := errors.AsType[*secret.Error](err)
	if !ok || e.Name == "" || (e.Kind != secret.Partial && e.Kind != secret.Unknown && e.Kind != secret.Conflict) {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unfinishedTimeout) // also after an interrupt
	defer cancel()
	page, err := s.service.List(ctx, a.call("restore"), s.store.Name, secret.Query{After: e.Name.Before(), Limit: 1})
	if err != nil {
		return ""
	}
	for _, l := range page.LeftOut {
		if l.Why == secret.LeftOutUnfinished && (l.Name == e.Name || s.foldsCase() && strings.EqualFold(string(l.Name), string(e.Name))) {
			return l.Detail
		}
	}
	return ""
}
