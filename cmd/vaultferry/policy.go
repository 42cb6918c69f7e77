package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

func (a *app) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Ask the policy who may do what, and which rule says so",
		Long: `Both commands ask the policy of the configuration file, and open nothing. A rule
is named by its place in the file: policy[0] is the first.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	test := &cobra.Command{
		Use:   "test CALLER ACTION STORE NAME",
		Short: "Say whether a caller may do something to a secret",
		Long: `Says yes or no, and which rule says so. CALLER is a configured caller, or
local:USER. ACTION is a word of the policy (get, set, ...), or a vendor's word for
it, which asks for all that it stands for.

Exit codes: 0 yes, 1 no, 2 wrong usage or configuration.`,
		Example: `  vaultferry policy test app get payments app-db-password`,
		Args:    arguments("CALLER", "ACTION", "STORE", "NAME"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.policyTest(args[0], args[1], args[2], args[3]) },
	}
	who := &cobra.Command{
		Use:   "who STORE NAME",
		Short: "List who may do what to a secret",
		Long: `Lists each caller that may do something to the secret, what, and which rules say so.
No token is seen: groups that the claims of a token may add, and that grant a caller
more, are named in a line of their own, with those callers.`,
		Example: `  vaultferry policy who payments app-db-password`,
		Args:    arguments("STORE", "NAME"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.policyWho(args[0], args[1]) },
	}
	cmd.AddCommand(test, who)
	return cmd
}

// asked is a policy, and the secret that it is asked about.
type asked struct {
	*config.Config
	policy *access.Policy
	target access.Target
}

func (a *app) askPolicy(store, name string) (*asked, error) {
	cfg, err := a.loadUnresolved()
	if err != nil {
		return nil, err
	}
	s, err := a.configured(cfg, store)
	if err != nil {
		return nil, err
	}
	if err := secret.Name(name).Validate(); err != nil {
		return nil, usagef("%s", message(err))
	}
	d, err := all.Registry().Find(s.Backend)
	if err != nil {
		return nil, err
	}
	return &asked{cfg, cfg.AccessPolicy(), access.Target{Store: store, Name: secret.Name(name), FoldCase: d.FoldsCase}}, nil
}

// caller is who has that name: a configured caller, or one on this machine.
func (q *asked) caller(name string) (access.Caller, error) {
	if user, ok := strings.CutPrefix(name, access.Local("").ID); ok && user != "" {
		return access.Local(user), nil
	}
	if !slices.ContainsFunc(q.Callers, func(c config.Caller) bool { return c.Name == name }) {
		return access.Caller{}, usagef("there is no caller %q; those of this machine are local:USER", name)
	}
	return access.Caller{ID: name}, nil
}

// decision is what the policy says of one action.
type decision struct {
	Action  string `json:"action"`
	Allowed bool   `json:"allowed"`
	Rule    string `json:"rule,omitempty"` // "policy[0]"; empty: none says so
}

func (q *asked) decide(c access.Caller, action access.Action) decision {
	at, allowed := q.policy.Decide(c, action, q.target)
	d := decision{Action: string(action), Allowed: allowed}
	if allowed && at != access.NoRule {
		d.Rule = fmt.Sprintf("policy[%d]", at)
	}
	return d
}

type policyTestView struct {
	Caller    string     `json:"caller"`
	Store     string     `json:"store"`
	Name      string     `json:"name"`
	Allowed   bool       `json:"allowed"`
	Decisions []decision `json:"decisions"` // one for each action that the word stands for
}

func (a *app) policyTest(caller, word, store, name string) error {
	actions := access.Meaning(word)
	if actions == nil {
		return usagef("unknown action %q (known: %s, roles of Key Vault, actions of CSMS)", word, strings.Trim(fmt.Sprint(access.Actions()), "[]"))
	}
	q, err := a.askPolicy(store, name)
	if err != nil {
		return err
	}
	c, err := q.caller(caller)
	if err != nil {
		return err
	}
	v := policyTestView{Caller: caller, Store: store, Name: name, Allowed: true}
	for _, action := range actions {
		d := q.decide(c, action)
		v.Decisions = append(v.Decisions, d)
		v.Allowed = v.Allowed && d.Allowed
	}
	if err := a.print(v, v.text); err != nil {
		return err
	}
	if !v.Allowed {
		return &exitError{code: exitFailed}
	}
	return nil
}

func (v policyTestView) text(w io.Writer) error {
	var rows [][]string
	for _, d := range v.Decisions {
		switch {
		case !d.Allowed:
			rows = append(rows, []string{"no", d.Action, "no rule allows it"})
		case d.Rule == "":
			rows = append(rows, []string{"yes", d.Action, "no rule names local callers, so they may do everything"})
		default:
			rows = append(rows, []string{"yes", d.Action, d.Rule})
		}
	}
	return table(w, rows)
}

type policyWhoView struct {
	Store   string       `json:"store"`
	Name    string       `json:"name"`
	Callers []allowedWho `json:"callers"`
	// Groups are those that the claims of a token may add, and that grant more then.
	Groups []claimedGroup `json:"groups,omitempty"`
}

type claimedGroup struct {
	Group   string   `json:"group"`
	Callers []string `json:"callers"` // who may show such a token
}

type allowedWho struct {
	Caller    string     `json:"caller"`
	Decisions []decision `json:"decisions"` // of what it may do
}

func (a *app) policyWho(store, name string) error {
	q, err := a.askPolicy(store, name)
	if err != nil {
		return err
	}
	v := policyWhoView{Store: store, Name: name, Callers: []allowedWho{}, Groups: q.claimed()}
	for _, c := range q.everybody() {
		who := allowedWho{Caller: c.ID}
		for _, action := range access.Actions() {
			if d := q.decide(c, action); d.Allowed {
				who.Decisions = append(who.Decisions, d)
			}
		}
		if who.Decisions != nil {
			v.Callers = append(v.Callers, who)
		}
	}
	return a.print(v, v.text)
}

// claimed are the groups that grant a caller more where a token's claims add them.
func (q *asked) claimed() (all []claimedGroup) {
	for _, g := range q.Groups {
		found := claimedGroup{Group: g.Name}
		for _, c := range q.Callers {
			mayShow := slices.ContainsFunc(c.Identities, func(i config.Identity) bool {
				return i.GroupsClaim != "" && slices.ContainsFunc(g.Claims, func(claim config.GroupClaim) bool { return claim.Issuer == i.Issuer })
			})
			without, with := access.Caller{ID: c.Name}, access.Caller{ID: c.Name, Groups: []string{g.Name}}
			if mayShow && slices.ContainsFunc(access.Actions(), func(a access.Action) bool { return q.decide(with, a).Allowed && !q.decide(without, a).Allowed }) {
				found.Callers = append(found.Callers, c.Name)
			}
		}
		if found.Callers != nil {
			all = append(all, found)
		}
	}
	return all
}

// everybody is each configured caller, and each on this machine that a rule or a
// group names: `local:*` stands for all, or for those whom no other name takes.
func (q *asked) everybody() []access.Caller {
	var all []access.Caller
	for _, c := range q.Callers {
		all = append(all, access.Caller{ID: c.Name})
	}
	local := []string{"*"}
	name := func(patterns []string) {
		for _, p := range patterns {
			if user, ok := strings.CutPrefix(p, access.Local("").ID); ok && !slices.Contains(local, user) {
				local = append(local, user)
			}
		}
	}
	for _, g := range q.Groups {
		name(g.Callers)
	}
	for _, r := range q.Policy {
		name(r.Callers)
	}
	for _, user := range local {
		all = append(all, access.Local(user))
	}
	return all
}

func (v policyWhoView) text(w io.Writer) error {
	rows := [][]string{{"CALLER", "MAY", "RULES"}}
	for _, c := range v.Callers {
		var may, rules []string
		for _, d := range c.Decisions {
			may = append(may, d.Action)
			if d.Rule != "" && !slices.Contains(rules, d.Rule) {
				rules = append(rules, d.Rule)
			}
		}
		if rules == nil {
			rules = []string{"- (no rule names local callers)"}
		}
		rows = append(rows, []string{c.Caller, strings.Join(may, ","), strings.Join(rules, ",")})
	}
	if err := table(w, rows); err != nil || v.Groups == nil {
		return err
	}
	var groups []string
	for _, g := range v.Groups {
		groups = append(groups, "group:"+g.Group+" ("+strings.Join(g.Callers, ", ")+")")
	}
	_, err := fmt.Fprintf(w, "more by claims of a token: %s\n", strings.Join(groups, ", "))
	return err
}
