package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

type getFlags struct {
	version    string
	outputFile string
	force      bool
}

func (a *app) getCommand() *cobra.Command {
	var f getFlags
	cmd := &cobra.Command{
		Use:   "get STORE NAME",
		Short: "Write the value of a secret, and nothing else",
		Long: `Writes the value byte by byte to standard output, without a line end after it, or
to a FILE of mode 0600. A version that is disabled is refused. With --output json
the value stands under "value", or, where it is no text, under "value_base64".`,
		Example: `  vaultferry get payments db-password
  vaultferry get payments db-password --version 3
  vaultferry get payments tls-key -o key.pem`,
		SuggestFor: []string{"read", "cat"},
		Args:       arguments("STORE", "NAME"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			sel, err := selector(f.version)
			if err != nil {
				return err
			}
			s, err := a.openSession(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			return a.get(cmd.Context(), s, gateway.Ref{Store: args[0], Name: secret.Name(args[1])}, sel, f)
		},
	}
	cmd.Flags().StringVar(&f.version, "version", "", "a version's number (3 or v3) or its id of 32 hex digits (default: the current one)")
	cmd.Flags().StringVarP(&f.outputFile, "output-file", "o", "", "write the value here, mode 0600")
	cmd.Flags().BoolVar(&f.force, "force", false, "replace an existing file")
	return cmd
}

// getView is the answer to programs: one version.
type getView struct {
	Store string `json:"store"`
	Name  string `json:"name"`
	versionView
	File string `json:"file,omitempty"` // that holds the value
}

func (a *app) get(ctx context.Context, s *session, ref gateway.Ref, sel secret.Selector, f getFlags) error {
	toFile := f.outputFile != "" && f.outputFile != "-"
	if _, err := os.Lstat(f.outputFile); toFile && err == nil && !f.force {
		return existsAlready(f.outputFile)
	}
	got, err := s.service.Get(ctx, a.call("get"), ref, sel)
	if err != nil {
		return fmt.Errorf("%s in store %s: %w", printable(string(ref.Name)), ref.Store, adviseTrash(ref, err))
	}
	v := got.Newest()
	view := getView{Store: ref.Store, Name: string(ref.Name), versionView: viewVersion(got, v)}
	switch {
	case toFile:
		view.File = f.outputFile
		err = writeFile(f.outputFile, v.Value.Reveal(), f.force)
		if errors.Is(err, os.ErrExist) {
			err = existsAlready(f.outputFile)
		}
		if err != nil || !a.json() {
			return err
		}
	case a.json():
		view.reveal(v.Value)
	default:
		_, err := a.out.Write(v.Value.Reveal())
		return err
	}
	return a.print(view, nil)
}

// existsAlready refuses to replace a file unasked.
func existsAlready(file string) error {
	return fmt.Errorf("%s exists already; --force replaces it", file)
}
