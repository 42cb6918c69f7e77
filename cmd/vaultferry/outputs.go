package main

import (
	"crypto/rand"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/vaultferry/vaultferry/internal/ownfile"
	"github.com/vaultferry/vaultferry/secret"
)

// outputFlags name files that a command writes.
var outputFlags = []string{"output-file", "html", "list", "error-file", "metrics-file"}

// inputFlags name files that a command reads, and do not say so: of others the usage
// speaks of a file.
var inputFlags = []string{"plan", "public-key", "source-inventory", "target-inventory", "check", "inventory"}

// checkOutputs refuses, before a command does anything, files that it could not write,
// and those that it reads: whatever --force says, no command overwrites its own input.
func (a *app) checkOutputs(cmd *cobra.Command, args []string) error {
	outputs, inputs := map[string]string{}, []string{a.configPath()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch {
		case slices.Contains(outputFlags, f.Name):
			if file := f.Value.String(); file != "" && file != "-" {
				outputs["--"+f.Name] = file
			}
		case slices.Contains(inputFlags, f.Name), strings.Contains(f.Usage, "file"):
			inputs = append(inputs, namedBy(f)...)
		}
	})
	if len(outputs) == 0 {
		return nil
	}
	if readsFiles(cmd) {
		for _, file := range args {
			inputs = append(inputs, file, file+".journal")
		}
	}
	if slices.ContainsFunc(slices.Collect(maps.Values(outputs)), exists) {
		inputs = append(inputs, a.configuredFiles()...)
	}
	byFile := map[string]string{}
	for _, flag := range slices.Sorted(maps.Keys(outputs)) {
		file := outputs[flag]
		if other, twice := byFile[filepath.Clean(file)]; twice {
			return usagef("%s and %s name one file, %s", other, flag, file)
		}
		byFile[filepath.Clean(file)] = flag
		if replaces(cmd, flag) {
			if err := mustNotOverwrite(file, inputs...); err != nil {
				return err
			}
		}
		if err := mustBeWritable(flag, file); err != nil {
			return err
		}
	}
	return nil
}

// replaces reports whether a file that is there would be. Without --force it is refused,
// or added to.
func replaces(cmd *cobra.Command, flag string) bool {
	force := cmd.Flags().Lookup("force")
	return flag == "--error-file" || flag == "--metrics-file" || force != nil && force.Value.String() == "true"
}

func namedBy(f *pflag.Flag) []string {
	if many, ok := f.Value.(pflag.SliceValue); ok {
		return many.GetSlice()
	}
	return []string{f.Value.String()}
}

// readsFiles reports whether the arguments of a command are files: names of secrets may
// be called like one.
func readsFiles(cmd *cobra.Command) bool {
	words := strings.FieldsFunc(cmd.Use, func(r rune) bool { return strings.ContainsRune(" []./", r) })
	return slices.ContainsFunc(words[1:], func(w string) bool { return slices.Contains([]string{"PLAN", "FILE", "REPORT", "A"}, w) })
}

// configuredFiles are the files that the configuration names. None: it cannot be read, which
// the command says, or comes from a pipe, which can be read once.
func (a *app) configuredFiles() []string {
	if info, err := os.Stat(a.configPath()); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	cfg, err := a.loadUnresolved()
	if err != nil {
		return nil
	}
	files := append(slices.Collect(maps.Keys(cfg.Files())), cfg.Keyring.File, cfg.Audit.File, cfg.CallersFile)
	for i := range cfg.Stores {
		if file, err := storePath(&cfg.Stores[i]); err == nil {
			files = append(files, file)
		}
	}
	return files
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// mustNotOverwrite refuses an output that is one of the inputs, also through links.
func mustNotOverwrite(output string, inputs ...string) error {
	for _, in := range inputs {
		if in != "" && isSameFile(output, in) {
			return usagef("%s is read here and is not overwritten, not even with --force: name another file", output)
		}
	}
	return nil
}

// mustBeWritable tries whether a file can be made where the output is to be.
func mustBeWritable(flag, file string) error {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return usagef("%s: %s is a folder: name a file in it", flag, file)
	}
	dir := filepath.Dir(file)
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		return usagef("%s: there is no folder %s: make it first", flag, dir)
	}
	f, err := ownfile.Make(filepath.Join(dir, temporaryFile+rand.Text()))
	if err != nil {
		return usagef("%s: nothing can be written into the folder %s: %v", flag, dir, secret.WithoutPath(err))
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Remove(f.Name())
}
