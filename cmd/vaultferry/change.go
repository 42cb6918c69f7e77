package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// change is a command that writes one secret.
type change struct {
	op     string
	action access.Action
	store  string
	name   secret.Name
	flags  *writeFlags
	// plan says what would be done to the secret as it stands, without values:
	// nil where there is none, Deleted where it is in the trash.
	plan func(have *secret.Secret) (string, error)
	do   func(context.Context, *session, *changeReport) error
}

// changeReport is the answer to programs.
type changeReport struct {
	Store       string     `json:"store"`
	Name        string     `json:"name"`
	Result      string     `json:"result"`            // done, would, declined or failed
	Spelled     []spelling `json:"spelled,omitempty"` // where others see another name
	Version     int64      `json:"version,omitempty"`
	ID          string     `json:"id,omitempty"`       // of the version
	Versions    int        `json:"versions,omitempty"` // of the secret
	Recoverable *time.Time `json:"recoverable_until,omitempty"`
	Error       string     `json:"error,omitempty"`

	said string
}

func (r *changeReport) text(w io.Writer) error {
	if r.said == "" {
		return nil
	}
	if _, err := fmt.Fprintln(w, r.said); err != nil {
		return err
	}
	for _, s := range r.Spelled {
		if _, err := fmt.Fprintln(w, "  the name "+s.sentence()); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) ref() gateway.Ref { return gateway.Ref{Store: c.store, Name: c.name} }

// in is the secret, as people read it.
func (c *change) in() string { return printable(string(c.name)) + " in " + c.store }

// mayChange is wrong usage, as far as it can be seen without the store.
func (a *app) mayChange(c *change) error {
	if err := c.flags.requireTerminal(a); err != nil {
		return err
	}
	if err := c.name.Validate(); err != nil {
		return usagef("%s", message(err))
	}
	cfg, err := a.loadUnresolved()
	if err != nil {
		return err
	}
	_, err = a.configured(cfg, c.store)
	return err
}

func (a *app) change(ctx context.Context, c *change) (err error) {
	s, err := a.openSession(ctx, c.store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.requireLasting(c.flags.dryRun); err != nil {
		return err
	}
	r := changeReport{Store: c.store, Name: string(c.name), Result: "done", Spelled: spellings(s.sides(), c.name)}
	err = a.changeOne(ctx, s, c, &r)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case errors.Is(err, errDeclined):
		r.Result = "declined"
	case err != nil:
		r.Result, r.Error = "failed", message(adviseTrash(c.ref(), err))
		a.complain(fmt.Sprintf("%s in store %s: %s", printable(r.Name), c.store, r.Error))
		return errors.Join(a.print(&r, r.text), exitAfter(err))
	}
	return a.print(&r, r.text)
}

func (a *app) changeOne(ctx context.Context, s *session, c *change, r *changeReport) error {
	if c.flags.dryRun || c.flags.confirm {
		have, err := s.service.Rehearse(ctx, a.call(c.op), c.action, c.ref())
		if err != nil && (c.action != access.Set || !errors.Is(err, secret.NotFound)) {
			return err
		}
		plan, err := c.plan(have)
		if err != nil {
			return err
		}
		if c.flags.dryRun {
			r.Result, r.said = "would", "would "+plan
			return nil
		}
		if err := c.flags.approve(ctx, a, plan+"?"); err != nil {
			return err
		}
	}
	return c.do(ctx, s, r)
}

// adviseTrash tells how to get at what is deleted.
func adviseTrash(r gateway.Ref, err error) error {
	if errors.Is(err, secret.Trashed) {
		return fmt.Errorf("the secret is deleted; vaultferry recover %s %s brings it back", r.Store, printable(string(r.Name)))
	}
	return err
}
