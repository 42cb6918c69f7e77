package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/callerfile"
	"github.com/vaultferry/vaultferry/gateway/issuer"
)

func (a *app) callersListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the credentials of all callers",
		Long: `Lists what each caller can prove itself by: credentials of the configuration and of
callers_file, by the names that the audit has for them. In the place of what each token
says itself stands its claim in braces: issuer-token:entra/{oid}. No secret is shown.`,
		Example: `  vaultferry callers list`,
		Args:    arguments(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.callersList(cmd.Context()) },
	}
}

type callersView struct {
	Callers []callerView `json:"callers"`
}

type callerView struct {
	Name        string           `json:"name"`
	Configured  bool             `json:"configured"`
	Credentials []credentialView `json:"credentials"`
}

type credentialView struct {
	Credential string     `json:"credential"` // as the audit has it
	From       string     `json:"from"`       // configuration or callers_file
	Made       *time.Time `json:"made,omitempty"`
	Expires    *time.Time `json:"expires,omitempty"`
	Ended      bool       `json:"ended,omitempty"`
	Addresses  []string   `json:"addresses,omitempty"`
}

const (
	fromConfiguration = "configuration"
	fromCallersFile   = "callers_file"
)

func (a *app) callersList(ctx context.Context) error {
	cfg, err := a.loadUnresolved()
	if err != nil {
		return err
	}
	v := callersView{Callers: []callerView{}}
	at := map[string]int{}
	for i := range cfg.Callers {
		c := &cfg.Callers[i]
		at[c.Name] = len(v.Callers)
		v.Callers = append(v.Callers, callerView{c.Name, true, append([]credentialView{}, configured(cfg, i, a.now())...)})
	}
	if cfg.CallersFile != "" {
		keys, err := a.keyring(ctx, cfg)
		if err != nil {
			return err
		}
		file, err := callerfile.Load(cfg.CallersFile, keys)
		if err != nil {
			return err
		}
		for _, c := range file.Callers {
			i, known := at[c.Name]
			if !known {
				i = len(v.Callers)
				v.Callers = append(v.Callers, callerView{Name: c.Name})
			}
			v.Callers[i].Credentials = append(v.Callers[i].Credentials, kept(&c, a.now())...)
		}
	}
	return a.print(v, v.text)
}

// configured are the credentials that the configuration has of its caller i.
func configured(cfg *config.Config, i int, now time.Time) (all []credentialView) {
	c := &cfg.Callers[i]
	add := func(kind, id string, b *config.Bound) {
		bounds := b.Bounds()
		all = append(all, credentialView{
			Credential: access.CredentialOf(kind, id), From: fromConfiguration,
			Expires: timeOrNil(bounds.Expires), Ended: bounds.Ended(now), Addresses: b.Addresses,
		})
	}
	if client := c.Client; client != nil {
		if !client.Secret.IsNone() || cfg.Unresolved(fmt.Sprintf("callers[%d].client.secret", i)) {
			add(access.ClientSecret, client.ID, &client.Bound)
		}
		for _, k := range client.Keys {
			name := client.ID + "/(unreadable)" // check says why
			if key, err := issuer.ReadClientKey(k.File); err == nil {
				name = key.Name(client.ID)
			}
			add(access.ClientKey, name, both(&k.Bound, &client.Bound))
		}
	}
	for _, id := range c.Identities {
		add(access.IssuerToken, id.Issuer+"/"+userOf(cfg, &id), &id.Bound)
	}
	for _, t := range c.Tokens {
		add(access.StaticToken, cmp.Or(t.Name, hex.EncodeToString(t.Hash[:8])), &t.Bound)
	}
	for _, k := range c.AccessKeys {
		add(access.SigningKey, cmp.Or(k.ID, "(sealed)"), &k.Bound)
	}
	for _, cert := range c.Certificates {
		if known, err := cert.Subject(); err == nil {
			add(access.Certificate, cmp.Or(cert.Name, known.String()), &cert.Bound)
		}
	}
	if c.ManagedIdentity != nil {
		add(access.ManagedIdentity, c.ManagedIdentity.ID, &c.ManagedIdentity.Bound)
	}
	return all
}

// userOf is what the audit shows of the identity's tokens: the subject, if they can have
// but one, or else the claim in braces.
func userOf(cfg *config.Config, id *config.Identity) string {
	n := slices.IndexFunc(cfg.Issuers, func(i config.Issuer) bool { return i.Name == id.Issuer }) // Load has checked it
	claim := issuer.UserClaim(id.UserClaim, cfg.Issuers[n].Issuer)
	if claim == issuer.Subject && id.BoundSubject != "" {
		return id.BoundSubject
	}
	return "{" + claim + "}"
}

// both is what remains where two bounds hold.
func both(a, b *config.Bound) *config.Bound {
	all := *a
	if end := b.Bounds().Expires; !end.IsZero() && (a.Bounds().Expires.IsZero() || end.Before(a.Bounds().Expires)) {
		all.Expires = b.Expires
	}
	if len(a.Addresses) == 0 || len(b.Addresses) == 0 {
		all.Addresses = slices.Concat(a.Addresses, b.Addresses)
		return &all
	}
	all.Addresses = nil
	for _, x := range a.Bounds().Addresses {
		for _, y := range b.Bounds().Addresses {
			if x.Overlaps(y) && x.Bits() >= y.Bits() {
				all.Addresses = append(all.Addresses, x.String())
			} else if x.Overlaps(y) {
				all.Addresses = append(all.Addresses, y.String())
			}
		}
	}
	if all.Addresses == nil {
		all.Addresses = []string{"nowhere"}
	}
	return &all
}

// kept are those that the file has of a caller.
func kept(c *callerfile.Caller, now time.Time) (all []credentialView) {
	add := func(kind callerfile.Kind, list []callerfile.Credential) {
		for _, each := range list {
			all = append(all, credentialView{
				Credential: access.CredentialOf(string(kind), each.ID), From: fromCallersFile,
				Made: &each.Made, Expires: each.Expires, Ended: each.Ended(now), Addresses: each.Addresses,
			})
		}
	}
	add(callerfile.Token, c.Tokens)
	add(callerfile.AccessKey, c.AccessKeys)
	return all
}

func (v callersView) text(w io.Writer) error {
	rows := [][]string{{"CALLER", "CREDENTIAL", "FROM", "ENDS", "ADDRESSES"}}
	for _, c := range v.Callers {
		name := c.Name
		if !c.Configured {
			name += " (not configured)"
		}
		if len(c.Credentials) == 0 {
			rows = append(rows, []string{name, "-", "", "", ""})
		}
		for _, each := range c.Credentials {
			ends := "never"
			if each.Expires != nil {
				ends = shortTime(each.Expires)
			}
			if each.Ended {
				ends = "ended " + ends
			}
			rows = append(rows, []string{name, each.Credential, each.From, ends, cmp.Or(strings.Join(each.Addresses, ","), "everywhere")})
		}
	}
	return table(w, rows)
}
