package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

type setFlags struct {
	writeFlags
	file, contentType  string
	notBefore, expires string
	tags, stages       []string
	disabled, create   bool
	fields, allowEmpty bool
}

func (a *app) setCommand() *cobra.Command {
	var f setFlags
	cmd := &cobra.Command{
		Use:   "set STORE NAME",
		Short: "Write a secret, or a new version of one",
		Long: `Takes the value from standard input, from a FILE, or from a prompt that shows
nothing; never from the command line, where others could see it. Every byte is
kept, so a line end is a part of the value: use printf instead of echo. A value
that is not UTF-8 is kept as bytes.

The new version becomes the current one. It has the attributes that the flags
give, and none of the version before it. Earlier versions stay.`,
		Example: `  vaultferry set payments db-password
  openssl rand -base64 24 | tr -d '\n' | vaultferry set payments db-password --expires 2027-01-31
  vaultferry set payments tls-key --file key.pem --content-type application/x-pem-file
  vaultferry get vault app | jq .user='"ann"' | vaultferry set vault app --fields`,
		SuggestFor: []string{"put", "write", "add", "create"},
		Args:       setArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.set(cmd.Context(), args[0], args[1], &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.file, "file", "", "read the value from here (\"-\": standard input)")
	flags.StringVar(&f.contentType, "content-type", "", "of the value, such as text/plain")
	flags.StringArrayVar(&f.tags, "tag", nil, "KEY=VALUE, for this version; may be repeated")
	flags.StringArrayVar(&f.stages, "stage", nil, "a label that moves to this version; may be repeated")
	flags.StringVar(&f.expires, "expires", "", "2027-01-31, or a time such as 2027-01-31T12:00:00Z")
	flags.StringVar(&f.notBefore, "not-before", "", "likewise: when the value begins to be valid")
	flags.BoolVar(&f.disabled, "disabled", false, "nobody may read this version until it is enabled")
	flags.BoolVar(&f.create, "create", false, "fail where the name exists")
	flags.BoolVar(&f.fields, "fields", false, "the value is a JSON object of fields, as HashiCorp Vault keeps them")
	flags.BoolVar(&f.allowEmpty, "allow-empty", false, "accept a value of no bytes")
	f.flags(cmd)
	return cmd
}

// setArguments repeats nothing that may be a value.
func setArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 2 {
		return usageHint(cmd, "a value does not belong on the command line, where others can see it: give it on standard input, with --file, or at the prompt")
	}
	return atLeast("STORE", "NAME")(cmd, args)
}

// draft is what the flags say of a version.
func (f *setFlags) draft() (secret.Draft, error) {
	d := secret.Draft{ContentType: f.contentType, Disabled: f.disabled, OnlyIfAbsent: f.create}
	var err error
	if d.Tags, err = parsePairs("--tag", f.tags); err != nil {
		return d, err
	}
	for _, s := range f.stages {
		if upper := strings.ToUpper(s); s == "" || upper == "SYSCURRENT" || upper == "SYSPREVIOUS" {
			return d, usagef("--stage is a label of your own, not %q", s)
		}
		d.Stages = append(d.Stages, s)
	}
	slices.Sort(d.Stages)
	d.Stages = slices.Compact(d.Stages)
	if d.Expires, err = parseTime("--expires", f.expires); err != nil {
		return d, err
	}
	d.NotBefore, err = parseTime("--not-before", f.notBefore)
	return d, err
}

func parseTime(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return secret.Held(t), nil // the year 1 is a time, and not unset
		}
	}
	return time.Time{}, usagef("%s is a date or a time, such as 2027-01-31 or 2027-01-31T12:00:00Z, not %q", flag, s)
}

func (a *app) set(ctx context.Context, store, name string, f *setFlags) error {
	d, err := f.draft()
	if err != nil {
		return err
	}
	c := change{op: "set", action: access.Set, store: store, name: secret.Name(name), flags: &f.writeFlags}
	if err := a.mayChange(&c); err != nil { // before anybody types a value
		return err
	}
	if d.Value, err = a.readValue(ctx, f); err != nil {
		return err
	}
	c.plan = func(have *secret.Secret) (string, error) {
		switch {
		case have == nil:
			return "create " + c.in(), nil
		case have.Deleted != nil:
			return "", &secret.Error{Kind: secret.Trashed, Name: have.Name}
		case d.OnlyIfAbsent:
			return "", &secret.Error{Kind: secret.AlreadyExists, Name: have.Name}
		}
		return fmt.Sprintf("add a version to %s, which has %s", c.in(), versions(len(have.Versions))), nil
	}
	c.do = func(ctx context.Context, s *session, r *changeReport) error {
		made, err := s.service.Put(ctx, a.call(c.op), c.ref(), d)
		if err != nil {
			return err
		}
		v := made.Newest()
		r.Version, r.ID = int64(v.Ordinal), v.UID.String()
		r.said = fmt.Sprintf("set %s: version %d", c.in(), r.Version)
		return nil
	}
	return a.change(ctx, &c)
}
