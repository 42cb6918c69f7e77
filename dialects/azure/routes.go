package azure

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// Operations that errors depend on.
const (
	opRestore    = "azure.RestoreSecret"
	opBackup     = "azure.BackupSecret"
	opGetDeleted = "azure.GetDeletedSecret"
	opPurge      = "azure.PurgeDeletedSecret"
	opRecover    = "azure.RecoverDeletedSecret"
)

// blobBody marks a body that Options.MaxBlob bounds.
const blobBody = -1

// maxSet bounds a SetSecret: 25 600 bytes may be written as six times as many,
// and the tags and the rest come on top.
const maxSet = 512 << 10

// operation is one row of the API.
type operation struct {
	op, method, path string
	maxBody          int64
	permission       string // the word of the gateway's policy, for refusals
	serve            func(*Dialect, *request) (wire.Reply, error)
}

// operations: of two rows that match, the earlier one wins. The most frequent
// one is first.
var operations = []operation{
	{"azure.GetSecret", http.MethodGet, "/secrets/{name}", 0, "get", (*Dialect).getSecret},
	{opRestore, http.MethodPost, "/secrets/restore", blobBody, "restore", (*Dialect).restoreSecret},
	{"azure.ListSecrets", http.MethodGet, "/secrets", 0, "list", (*Dialect).listSecrets},
	{"azure.ListSecretVersions", http.MethodGet, "/secrets/{name}/versions", 0, "list", (*Dialect).listVersions},
	{opBackup, http.MethodPost, "/secrets/{name}/backup", 0, "backup", (*Dialect).backupSecret},
	{"azure.GetSecret", http.MethodGet, "/secrets/{name}/{version}", 0, "get", (*Dialect).getSecret},
	{"azure.SetSecret", http.MethodPut, "/secrets/{name}", maxSet, "set", (*Dialect).setSecret},
	{"azure.UpdateSecret", http.MethodPatch, "/secrets/{name}", maxSet, "update", (*Dialect).updateSecret},
	{"azure.UpdateSecret", http.MethodPatch, "/secrets/{name}/{version}", maxSet, "update", (*Dialect).updateSecret},
	{"azure.DeleteSecret", http.MethodDelete, "/secrets/{name}", 0, "delete", (*Dialect).deleteSecret},
	{"azure.ListDeletedSecrets", http.MethodGet, "/deletedsecrets", 0, "list", (*Dialect).listDeleted},
	{opGetDeleted, http.MethodGet, "/deletedsecrets/{name}", 0, "list", (*Dialect).getDeleted},
	{opPurge, http.MethodDelete, "/deletedsecrets/{name}", 0, "purge", (*Dialect).purgeDeleted},
	{opRecover, http.MethodPost, "/deletedsecrets/{name}/recover", 0, "recover", (*Dialect).recoverDeleted},
	{"azure.Unknown", http.MethodPost, "/secrets/{name}/{operation}", 0, "", unknownOperation},
}

func unknownOperation(*Dialect, *request) (wire.Reply, error) {
	return wire.Reply{}, refuse(secret.Invalid, wrongOperation, "path: no such operation")
}

func (d *Dialect) routes() []wire.Route {
	all := make([]wire.Route, 0, len(operations)+2)
	for _, o := range operations {
		d.permissions[o.op] = o.permission
		if o.maxBody == blobBody {
			o.maxBody = d.maxBlob
		}
		all = append(all, wire.Route{
			Op: o.op, Method: o.method, Path: o.path, MaxBody: o.maxBody, Large: o.op == opBackup,
			Handle: func(r *wire.Request) (wire.Reply, error) {
				q, err := d.accept(r)
				if err != nil {
					return wire.Reply{}, err
				}
				rep, err := o.serve(d, q)
				if n := d.service.MaxTags(q.store); err == nil && n > 0 && rep.Status == http.StatusOK {
					rep.Header = rep.Header.Clone()
					rep.Header.Set(wire.TagsHeader, strconv.Itoa(n))
				}
				return rep, err
			},
		})
	}
	return append(all, d.health(http.MethodGet), d.health(http.MethodHead))
}

// request is one that has passed the checks all operations share.
type request struct {
	*wire.Request
	*site
	origin  origin
	base    string // begins every id
	version apiVersion
	query   url.Values
	name    secret.Name // as the store knows it; empty where the path has none
}

// parameters are those of the query by their folded names: scripts write maxResults
// and $skipToken, and the service does not tell upper from lower case (inferred: it
// is ASP.NET, whose collection of them does not).
func parameters(r *wire.Request) url.Values {
	sent := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		if folded := fold(name); folded != name {
			sent[folded] = append(sent[folded], sent[name]...)
			delete(sent, name)
		}
	}
	return sent
}

// param is a parameter of the query, by its folded name. Given more than once it is
// a list, which no parameter of the API may be: so neither value counts.
func param(q url.Values, name string) string { return strings.Join(q[name], ",") }

// accept checks in the order that is inferred for the service: api-version,
// name. The token was checked before both. A vault that is not there is told by
// the operation, as one in which the caller may do nothing.
func (d *Dialect) accept(r *wire.Request) (*request, error) {
	q := &request{Request: r, origin: originOf(r.Host), query: parameters(r)}
	q.base = q.origin.base()
	if q.site = d.site(q.origin); q.site == nil {
		q.site = &site{} // in whose store nobody may do anything
	}
	var err error
	if q.version, err = findVersion(param(q.query, "api-version")); err != nil {
		return nil, err
	}
	if name, ok := r.Vars["name"]; ok {
		if q.name, err = q.model(name); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// json is the body of an operation that takes one.
func (q *request) json() ([]byte, error) {
	body, err := q.JSON()
	if errors.Is(err, wire.ErrEncoded) || errors.Is(err, wire.ErrUTF16) {
		return nil, unworded("body", "%v", err)
	}
	return body, err
}

func (q *request) ref() gateway.Ref {
	return gateway.Ref{Store: q.store, Name: q.name, Folder: secret.Name(q.folder)}
}

func (*Dialect) call(r *wire.Request) gateway.Call {
	return gateway.Call{Caller: r.Caller, Op: r.Op, RequestID: r.ID, Address: r.Address}
}

func answer(body any) (wire.Reply, error) {
	return wire.Reply{Status: http.StatusOK, Header: jsonHeader, Body: body}, nil
}
