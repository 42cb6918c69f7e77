package hashivault

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// accounts are what the companion of a secret in KV v1 holds: the account of the
// value that stands, that of one which is about to take its place, and some
// before: a write whose end nobody saw may still arrive.
type accounts struct {
	Salt    string    `json:"s"`
	All     []account `json:"n"`
	foreign bool
}

// account is all that is known of a secret while one value stands.
type account struct {
	Print    string            `json:"h"` // of the value
	Ordinal  secret.Ordinal    `json:"n"`
	Last     secret.Ordinal    `json:"l"` // the highest ever given
	Current  secret.Ordinal    `json:"cur,omitempty"`
	Previous secret.Ordinal    `json:"prev,omitempty"`
	Newest   moment            `json:"w,omitzero"`
	Created  moment            `json:"c,omitzero"`
	Updated  moment            `json:"u,omitzero"`
	Text     string            `json:"d,omitempty"`
	Tags     map[string]string `json:"t,omitzero"`
	Extra    map[string]string `json:"x,omitempty"`
	Stages   []string          `json:"a,omitempty"`
	Version  record            `json:"v"`
	Trash    *trash            `json:"z,omitempty"`
}

// maxAccount bounds an account as it lies in the product: two of them share an entry.
const maxAccount = maxCompanion / 2

func parseAccounts(raw json.RawMessage) accounts {
	var text string
	var n accounts
	if json.Unmarshal(raw, &text) != nil || json.Unmarshal([]byte(text), &n) != nil || !n.sound() {
		return accounts{foreign: true}
	}
	return n
}

// sound reports whether the gateway could have written n.
func (n *accounts) sound() bool {
	if n.Salt == "" || len(n.All) == 0 {
		return false
	}
	return !slices.ContainsFunc(n.All, func(o account) bool {
		return o.Ordinal < 1 || o.Last < o.Ordinal || o.Print == "" || !o.Version.sound() || o.Version.UID == "" || !areJSON(o.Extra) ||
			slices.Contains(o.Stages, "") || o.Trash != nil && o.Trash.At.IsZero()
	})
}

// mostAccounts is how many are kept, room allowing.
const mostAccounts = 4

// add puts in the account of a value that is to be written, or written anew. Mine,
// of the value that stands, is not pushed out.
func (n *accounts) add(mine *account, latest account) {
	keep := slices.DeleteFunc(slices.Clone(n.All), func(o account) bool {
		return o.Print == latest.Print || mine != nil && o.Print == mine.Print
	})
	if mine != nil && mine.Print != latest.Print {
		keep = append(keep, *mine)
	}
	n.All = append(keep, latest)
	for len(n.All) > mostAccounts || len(n.All) > 2 && quotedSize(ascii(n)) > maxCompanion {
		n.All = n.All[1:]
	}
}

// print tells values apart and reveals none to whoever cannot guess it: the
// folder of the companions wants the same guard as the values.
func (n *accounts) print(data []byte) string {
	c, _ := canonical(data, false)
	m := hmac.New(sha256.New, []byte(n.Salt))
	_, _ = m.Write(c)
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// known is a copy of the accounts to add to.
func (st *flatState) known() accounts {
	n := accounts{Salt: st.accounts.Salt, All: st.accounts.All}
	if !st.exists { // what is left speaks of another secret
		n = accounts{}
	}
	if n.Salt == "" {
		n.Salt = rand.Text()
	}
	return n
}

// last is the highest ordinal that was given to any version, come or not.
func (st *flatState) last() secret.Ordinal {
	o := st.head.Last
	for _, n := range st.accounts.All {
		o = max(o, n.Last)
	}
	return o
}

// find returns the latest account of the value.
func (n *accounts) find(print string) *account {
	for i := len(n.All) - 1; i >= 0; i-- {
		if n.All[i].Print == print {
			return &n.All[i]
		}
	}
	return nil
}

// accountOf is what must be kept of a secret whose one version is v.
func accountOf(h *history.Head, v *secret.Version, form, print string, t *trash) account {
	s := &h.Secret
	n := account{
		Print: print, Ordinal: v.Ordinal, Last: h.Last, Current: s.Current, Previous: s.Previous, Newest: moment{h.Newest},
		Created: moment{s.Created}, Updated: moment{s.Updated}, Text: s.Description, Tags: s.Tags, Extra: extraText(s.Extra),
		Stages: h.StagesOf(v.Ordinal), Version: recordOf(v, form), Trash: t,
	}
	n.Version.Missing = ""
	return n
}

// size is what an account takes in the product.
func (n *account) size() int { return quotedSize(ascii(n)) }

// head is the inverse of accountOf.
func (n *account) head(name secret.Name) (*history.Head, secret.Version) {
	h := history.NewHead(name)
	h.Last, h.Newest = n.Last, n.Newest.Time
	h.Secret.Current, h.Secret.Previous = n.Current, n.Previous
	h.Secret.Created, h.Secret.Updated = n.Created.Time, n.Updated.Time
	h.Secret.Description, h.Secret.Tags, h.Secret.Extra = n.Text, n.Tags, extraJSON(n.Extra)
	for _, label := range n.Stages {
		h.Stages[label] = n.Ordinal
	}
	v := secret.Version{Ordinal: n.Ordinal}
	n.Version.fill(&v)
	return h, v
}

// noTime stands for the time of what native tools wrote: KV v1 keeps none.
var noTime = time.Unix(0, 0).UTC()

// flatState is everything known of one secret at one moment.
type flatState struct {
	place
	*core
	exists   bool
	data     member
	accounts accounts
	mine     *account // the value's, or nil
	foreign  error

	head  *history.Head
	v     secret.Version // value included
	form  string
	trash *trash
}

// match finds the value's account, or makes up what a native value needs.
func (st *flatState) match() error {
	if st.accounts.foreign {
		st.foreign = errForeign(companionFolder + "/" + st.name)
		st.accounts = accounts{}
	}
	name, err := st.spell.Decode(st.name)
	if err != nil {
		return err
	}
	if n := st.accounts.find(st.accounts.print(st.data)); n != nil {
		st.mine, st.form, st.trash = n, n.Version.Form, n.Trash
		st.head, st.v = n.head(name)
	} else {
		st.native(name)
	}
	value, contentType, err := decodeValue(st.field, st.data, st.form)
	if err != nil {
		return err
	}
	if st.v.Value = value; st.mine == nil {
		st.v.ContentType = contentType
	}
	st.v.Disabled = st.v.Disabled || st.foreign != nil
	return nil
}

// native is a value that has no account: the version after the last that is
// known. What was known of the secret stays with it.
func (st *flatState) native(name secret.Name) {
	var last account
	for _, n := range st.accounts.All {
		if n.Last >= last.Last {
			last = n
		}
	}
	last.Stages = nil
	st.head, _ = last.head(name)
	h := st.head
	h.Last++
	o := h.Last
	h.Secret.Current, h.Secret.Previous = o, 0
	if h.Secret.Created.IsZero() {
		h.Secret.Created, h.Secret.Updated = noTime, noTime
	}
	st.v = secret.Version{
		Ordinal: o, Created: noTime, Updated: noTime,
		UID: secret.DeriveUID(st.store, st.mount+"/"+st.path, o.String(), noTime),
	}
}

// same reports whether another look at the secret saw the same.
func (st *flatState) same(other *flatState) bool {
	return st != nil && string(st.data) == string(other.data) && ascii(st.accounts) == ascii(other.accounts)
}

// visible refuses what a reader must not see.
func (st *flatState) visible() error {
	if !st.exists || st.trash != nil {
		return &secret.Error{Kind: secret.NotFound}
	}
	return st.foreign
}

// holds refuses a selector of another version.
func (st *flatState) holds(sel secret.Selector) error {
	if st.view().Find(sel) == nil {
		return &secret.Error{Kind: secret.NotFound, Detail: "no such version"}
	}
	return nil
}

// view is the secret as the state shows it.
func (st *flatState) view() *secret.Secret {
	out := st.head.View(st.v)
	if t := st.trash; t != nil {
		out.Deleted = &secret.Deletion{At: t.At.Time, Purge: t.Purge.Time}
	}
	return out
}

// encodeFlat is encodeValue for KV v1, which keeps numbers as they are written
// and refuses an object without members.
func encodeFlat(field string, v secret.Value) (data []byte, form string, err error) {
	data, form, err = encodeValue(field, v)
	if err != nil || v.Form() != secret.Fields {
		return data, form, err
	}
	b := v.Reveal()
	_, admitted := canonical(b, true)
	exact, ok := canonical(b, false)
	switch {
	case ok && len(exact) == len("{}"):
		form = formFieldsText
	case admitted && ok && string(exact) == string(b):
		return b, fieldsForm(field, b), checkPayload(b)
	}
	if form == formFieldsText {
		data = marshal(map[string]string{field: strings.Clone(string(b))})
	}
	return data, form, checkPayload(data)
}
