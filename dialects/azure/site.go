package azure

import (
	"fmt"
	"strings"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// site is what a route's host shows of its store.
type site struct {
	store    string
	folder   string // begins every name; for a pattern with labelWord in it
	resource string
	level    string // recoveryLevel
	days     int    // recoverableDays
}

const (
	everyHost = "*"
	oneLabel  = "*."  // begins a host that stands for every one with one more label
	labelWord = "{1}" // in a prefix: that label
)

func (d *Dialect) addSite(r Route) error {
	host := fold(r.Host)
	if rest := strings.TrimPrefix(host, oneLabel); host != everyHost && (rest == "" || strings.ContainsAny(rest, "*:/ ")) {
		return fmt.Errorf("azure: route host %q is neither a host name nor %q nor one after %q", r.Host, everyHost, oneLabel)
	}
	if d.sites[host] != nil {
		return fmt.Errorf("azure: two routes for host %q", r.Host)
	}
	if err := checkPrefix(r.Prefix, strings.HasPrefix(host, oneLabel)); err != nil {
		return fmt.Errorf("azure: host %q: %w", r.Host, err)
	}
	info, ok := d.service.Info(r.Store)
	if !ok {
		return fmt.Errorf("azure: host %q leads to an unknown store %q", r.Host, r.Store)
	}
	d.sites[host] = &site{
		store: r.Store, folder: r.Prefix, resource: bare(r.Resource),
		level: recoveryLevel(info), days: info.RetentionDays,
	}
	return checkResource(r.Resource)
}

// checkPrefix wants whole folders: of "a" and "ab" neither may see the other.
func checkPrefix(prefix string, pattern bool) error {
	if prefix == "" {
		return nil
	}
	p := prefix
	if pattern {
		p = strings.ReplaceAll(p, labelWord, strings.Repeat("a", 63))
	}
	folders, ok := strings.CutSuffix(p, "/")
	if !ok || strings.ContainsAny(p, "{}") || secret.Name(p).Validate() != nil {
		return fmt.Errorf("prefix %q is not a folder: it ends in a slash, and only after %q may it hold %q", prefix, oneLabel, labelWord)
	}
	for f := range strings.SplitSeq(folders, "/") {
		if f == "" {
			return fmt.Errorf("prefix %q has a folder without a name", prefix)
		}
	}
	return nil
}

// recoveryLevel is the service's word for how a deleted secret can come back.
func recoveryLevel(i gateway.Info) string {
	level := "Recoverable"
	if i.RetentionDays != gateway.DefaultRetentionDays {
		level = "CustomizedRecoverable"
	}
	if !i.PurgeProtection {
		level += "+Purgeable"
	}
	return level
}

// site finds the route of a host, the narrowest one, or nil.
func (d *Dialect) site(o origin) *site {
	if s := d.sites[o.host]; s != nil && !strings.HasPrefix(o.host, oneLabel) && o.host != everyHost {
		return s
	}
	if first, rest, ok := strings.Cut(o.host, "."); ok && first != "" && isWord(first) {
		if s := d.sites[oneLabel+rest]; s != nil {
			here := *s
			here.folder = strings.ReplaceAll(s.folder, labelWord, first)
			return &here
		}
	}
	return d.sites[everyHost]
}

// model reads a name off the wire, as the store knows it.
func (s *site) model(wire string) (secret.Name, error) {
	name, err := ModelName(wire)
	if err != nil || s.folder == "" {
		return name, err
	}
	name = secret.Name(s.folder) + name
	if name.Validate() != nil {
		return "", refuse(secret.Invalid, wrongName, "name: too long for the folder of this vault")
	}
	return name, nil
}

// inside is a name as it is known behind this host.
func (s *site) inside(n secret.Name) secret.Name {
	return secret.Name(strings.TrimPrefix(string(n), s.folder))
}
