package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// questions ask for an argument that is missing.
var questions = map[string]string{"STORE": "which store?", "NAME": "which secret?", "FILE": "which file?", "KEY": "which key?", "LINE": "which line?", "CALLER": "which caller?", "ACTION": "which action?", "PLAN": "which plan?", "REPORT": "which report?", "ID": "which snapshot?", "AK": "which access key?"}

// arguments accepts exactly the named ones. Those in brackets may be left out.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return usageHint(cmd, "one argument too many: %q", args[len(names)])
		}
		return atLeast(names...)(cmd, args)
	}
}

// atLeast accepts the named ones and more.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) && !strings.HasPrefix(names[len(args)], "[") {
			name := names[len(args)]
			return usageHint(cmd, "%s %s is missing", questions[name], name)
		}
		return nil
	}
}

// usageHint is wrong usage of a command, and where to read on.
func usageHint(cmd *cobra.Command, format string, args ...any) error {
	path := strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name())
	return usagef("%s\n  usage: %s\n  more:  %s help%s", fmt.Sprintf(format, args...), cmd.UseLine(), cmd.Root().Name(), path)
}

// unknownCommand answers whatever the root takes for an argument.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := nearest(cmd, args[0]); len(near) > 0 {
		return usagef("unknown command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return usagef("unknown command %q; %s --help lists them", args[0], cmd.CommandPath())
}

// nearest lists the commands that a wrong word most likely meant.
func nearest(cmd *cobra.Command, word string) []string {
	const most = 2 // letters that are wrong
	best, near := most, []string(nil)
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		d := distance(word, c.Name())
		if strings.HasPrefix(c.Name(), word) || slices.Contains(c.SuggestFor, word) {
			d = 0
		}
		switch {
		case d < best:
			best, near = d, []string{c.Name()}
		case d == best:
			near = append(near, c.Name())
		}
	}
	return near
}

// misspelt answers a command that is not there where flags follow, which cobra
// takes for flags of the command above. Nil: that is not what is wrong.
func misspelt(cmd *cobra.Command, args []string) error {
	if !cmd.HasSubCommands() {
		return nil
	}
	_, rest, _ := cmd.Root().Find(args) // wrong usage is being answered already
	for i := 0; i < len(rest); i++ {
		name, isFlag := strings.CutPrefix(rest[i], "--")
		switch {
		case isFlag:
			if f := cmd.Flags().Lookup(name); f != nil && f.NoOptDefVal == "" {
				i++ // its value
			}
		case !strings.HasPrefix(rest[i], "-"):
			return unknownCommand(cmd, rest[i:i+1])
		}
	}
	return nil
}

// helpCommand is cobra's, but for a command that is not there.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Explain a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			switch {
			case err != nil:
				return err
			case len(rest) > 0 && found.HasSubCommands():
				return unknownCommand(found, rest)
			case len(rest) > 0:
				return usageHint(cmd, "one argument too many: %q", rest[0])
			}
			return found.Help()
		},
	}
}

// wrongFlag says what is wrong with a flag.
func wrongFlag(cmd *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return usageHint(cmd, "%s", unknownFlag(cmd, e.GetSpecifiedName()))
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return usageHint(cmd, "--%s needs a value", e.GetFlag().Name)
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		wanted := map[string]string{"bool": "true or false", "int": "a number", "duration": "a duration such as 90s or 10m"}[e.GetFlag().Value.Type()]
		return usageHint(cmd, "--%s is %s, not %q", e.GetFlag().Name, cmp.Or(wanted, "something else"), e.GetValue())
	}
	return usageHint(cmd, "%s", err)
}

func unknownFlag(cmd *cobra.Command, name string) string {
	if len(name) == 1 {
		return "unknown flag: -" + name
	}
	s := "unknown flag: --" + name
	best := 3 // no more than two letters are wrong
	near := ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := distance(name, f.Name); d < best && !f.Hidden {
			best, near = d, f.Name
		}
	})
	if near != "" {
		s += "; did you mean --" + near + "?"
	}
	return s
}

// distance is how many letters must be changed, added, removed or swapped with
// the next to make b of a.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
