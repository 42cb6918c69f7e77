package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/secret"
)

// words says an error as people need it, on one line: what is wrong and why,
// without the names that the code has for it.
func words(err error) string {
	s := err.Error()
	var e *secret.Error
	if errors.As(err, &e) {
		s = strings.Replace(s, e.Error(), plain(e), 1)
	}
	return oneLine(s)
}

// oneLine joins the lines of s as sentences.
func oneLine(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		switch said := b.String(); {
		case said == "":
		case strings.HasSuffix(said, "."), strings.HasSuffix(said, ":"):
			b.WriteByte(' ')
		default:
			b.WriteString("; ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// plain is the detail, or the kind where there is none, and the cause.
func plain(e *secret.Error) string {
	s := e.Detail
	if s == "" {
		s = e.Kind.Error()
	}
	if e.Err != nil {
		s += ": " + words(e.Err)
	}
	return s
}

// arguments accepts exactly the named ones.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return hint(cmd, "one argument too many: %q", args[len(names)])
		}
		return atLeast(names...)(cmd, args)
	}
}

// atLeast accepts the named ones and more.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return hint(cmd, "%s is missing", names[len(args)])
		}
		return nil
	}
}

// hint is wrong usage of a command, and where to read on.
func hint(cmd *cobra.Command, format string, args ...any) error {
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

// noConfig tells who has no configuration yet how to get one.
func (a *app) noConfig() error {
	return usagef("there is no configuration %s; vaultferry init writes one, and --config FILE or VAULTFERRY_CONFIG names one elsewhere", a.configPath())
}
