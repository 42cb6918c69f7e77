package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/issuer"
)

// issuers are those of the configuration, with whose tokens are whose.
func (a *app) issuers(rt *runtime) (*issuer.Set, error) {
	o := issuersOf(rt.cfg)
	o.Sources, o.Now, o.Log = rt.edge.sources, a.now, rt.log
	set, err := issuer.New(o)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return set, nil
}

func issuersOf(cfg *config.Config) issuer.Options {
	var o issuer.Options
	for _, i := range cfg.Issuers {
		o.Issuers = append(o.Issuers, issuer.Issuer{
			Name: i.Name, URL: i.Issuer, JWKSURL: i.JWKSURL, JWKSFile: i.JWKSFile, CAFile: i.CAFile, BearerTokenFile: i.BearerTokenFile,
			Audiences: i.Audiences, AssertionAudiences: i.AssertionAudiences, Algorithms: i.Algorithms,
			MaxLife: i.MaxLife, ExpirationLeeway: i.ExpirationLeeway, NotBeforeLeeway: i.NotBeforeLeeway,
		})
	}
	for _, c := range cfg.Callers {
		for _, id := range c.Identities {
			b := issuer.Binding{
				Issuer: id.Issuer, Caller: c.Name, Audiences: id.BoundAudiences, Subject: id.BoundSubject, Glob: id.Glob(),
				UserClaim: id.UserClaim, GroupsClaim: id.GroupsClaim, Bounds: id.Bounds(),
			}
			for _, claim := range id.BoundClaims {
				b.Claims = append(b.Claims, issuer.Claim{Name: claim.Claim, Values: claim.Values})
			}
			o.Bindings = append(o.Bindings, b)
		}
	}
	for _, g := range cfg.Groups {
		for _, c := range g.Claims {
			o.Groups = append(o.Groups, issuer.Group{Name: g.Name, Issuer: c.Issuer, Value: c.Value})
		}
	}
	return o
}

// clientKeys are the public keys of the caller's client, in the order of the
// configuration.
func clientKeys(c *config.Client) (all []issuer.ClientKey, err error) {
	for _, k := range c.Keys {
		key, err := issuer.ReadClientKey(k.File)
		if err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("client %s: %w", c.ID, err)}
		}
		if slices.ContainsFunc(all, func(before issuer.ClientKey) bool { return before.Print == key.Print }) {
			return nil, &exitError{exitUsage, fmt.Errorf("client %s: %s holds the same key as an earlier file", c.ID, k.File)}
		}
		key.Bounds = k.Bounds()
		all = append(all, key)
	}
	return all, nil
}

// checkIssuers looks at the files that tokens are proved with.
func (v *checkView) checkIssuers(cfg *config.Config) {
	if err := issuer.Check(issuersOf(cfg)); err != nil {
		v.add(config.Bad, "issuers", "%s", message(err))
	}
	for i, c := range cfg.Callers {
		if c.Client == nil {
			continue
		}
		if _, err := clientKeys(c.Client); err != nil {
			v.add(config.Bad, fmt.Sprintf("callers[%d].client.keys", i), "%s", message(err))
		}
	}
}

// reachIssuers fetches their keys, as the gateway will.
func (v *checkView) reachIssuers(ctx context.Context, cfg *config.Config) {
	failed := issuer.Reach(ctx, issuersOf(cfg))
	for i, of := range cfg.Issuers {
		if err := failed[of.Name]; err != nil {
			v.add(config.Warning, fmt.Sprintf("issuers[%d]", i), "its keys cannot be fetched, so none of its tokens would be accepted now: %s", message(err))
		}
	}
}
