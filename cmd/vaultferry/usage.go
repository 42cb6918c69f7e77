package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// questions ask for an argument that is missing.
var questions = map[string]string{"STORE": "which store?", "NAME": "which secret?", "FILE": "which file?", "KEY": "which key?"}

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
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("unknown command %q; did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return usagef("unknown command %q; %s --help lists them", args[0], cmd.CommandPath())
}
