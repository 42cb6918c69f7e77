package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestResumeLine: the line that goes on repeats what was given, word by word as a
// shell reads it.
func TestResumeLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path  string
		given []string
		want  string
	}{
		{"move.plan", nil, "vaultferry migrate run move.plan"},
		{"-move.plan", nil, "vaultferry migrate run ./-move.plan"},
		{
			"move.plan",
			[]string{"--config", "other.yaml", "--rate", "50/s", "--concurrency", "2", "--expect", "00ff", "--error-file", "failed.txt", "--run-key", "run.key", "--output", "json"},
			"vaultferry migrate run move.plan --concurrency 2 --config other.yaml --error-file failed.txt --expect 00ff --output json --rate 50/s --run-key run.key",
		},
		{
			"a plan's",
			[]string{"--run-key=$HOME/run.key", "--error-file", "two\nlines", "--config", "`id`"},
			`vaultferry migrate run 'a plan'\''s' --config '` + "`id`" + `' --error-file 'two` + "\n" + `lines' --run-key '$HOME/run.key'`,
		},
	} {
		a, _, _ := testApp(nil)
		cmd, _, err := a.root().Find([]string{"migrate", "run"})
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.ParseFlags(tt.given); err != nil {
			t.Fatal(err)
		}
		f := runFlags{given: cmd.Flags()}
		got := f.resume(tt.path)
		if got != tt.want {
			t.Errorf("it says %s\nwant    %s", got, tt.want)
		}
		// The shell gives the same words back.
		out, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\000' `+got).Output()
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		again, _, err := a.root().Find([]string{"migrate", "run"})
		if err != nil {
			t.Fatal(err)
		}
		if err := again.ParseFlags(words[3:]); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(given(cmd.Flags()), given(again.Flags())) || strings.TrimPrefix(again.Flags().Arg(0), "./") != tt.path {
			t.Errorf("%s means %q with %q", got, again.Flags().Args(), given(again.Flags()))
		}
	}
}

func given(flags *pflag.FlagSet) (all []string) {
	flags.Visit(func(f *pflag.Flag) { all = append(all, f.Name+"="+f.Value.String()) })
	return all
}
