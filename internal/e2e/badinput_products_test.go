package e2e

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/hashivault"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/freeport"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	azDown    = "The service is unavailable. Please retry the request."
	azRefused = "The service behind this vault refused the request."
	azInside  = "The service encountered an internal error. Please retry the request."
	azUnknown = "The outcome of the request is not known."
	hwDown    = "Backend unavailable."
	hwTimeout = "Backend timeout."
	hwInside  = "Internal service error."
)

// badProducts are out of reach, out of trust or out of order.
var badProducts = []badRow{
	{"Vault is down, read", azFetch("extra", vaultDown, 503, "ServiceUnavailable", azDown, "unavailable"), hwFetch("extra", vaultDown, 502, "APIGW.0201", hwDown, "unavailable")},
	{"Vault is down, write", azStore("extra", vaultDown, 503, "ServiceUnavailable", azDown, "unavailable"), hwStore("extra", vaultDown, 502, "APIGW.0201", hwDown, "unavailable")},
	{"Vault is down, backup", azBackup("extra", vaultDown, 503, "ServiceUnavailable", azDown, "unavailable"), hwBackup("extra", vaultDown, 502, "APIGW.0201", hwDown, "unavailable")},
	{"Vault is down, restore", azInto("extra", vaultDown, 503, "ServiceUnavailable", azDown, "unavailable"), hwInto("extra", vaultDown, 502, "APIGW.0201", hwDown, "unavailable")},
	{"Vault refuses us, read", azFetch("extra", vaultRefuses, 500, "InternalServerError", azRefused, "refused by the product"), hwFetch("extra", vaultRefuses, 502, "APIGW.0201", hwDown, "refused by the product")},
	{"Vault refuses us, write", azStore("extra", vaultRefuses, 500, "InternalServerError", azRefused, "refused by the product"), hwStore("extra", vaultRefuses, 502, "APIGW.0201", hwDown, "refused by the product")},
	{"Vault refuses us, backup", azBackup("extra", vaultRefuses, 500, "InternalServerError", azRefused, "refused by the product"), hwBackup("extra", vaultRefuses, 502, "APIGW.0201", hwDown, "refused by the product")},
	{"Vault refuses us, restore", azInto("extra", vaultRefuses, 500, "InternalServerError", azRefused, "refused by the product"), hwInto("extra", vaultRefuses, 502, "APIGW.0201", hwDown, "refused by the product")},
	{"Key Vault is down, read", azFetch("extra", cloudDown, 503, "ServiceUnavailable", azDown, "unavailable"), hwFetch("extra", cloudDown, 502, "APIGW.0201", hwDown, "unavailable")},
	{"Key Vault is down, write", azStore("extra", cloudDown, 503, "ServiceUnavailable", azDown, "unavailable"), hwStore("extra", cloudDown, 502, "APIGW.0201", hwDown, "unavailable")},
	{"Key Vault is down, restore", azInto("extra", cloudDown, 503, "ServiceUnavailable", azDown, "unavailable"), hwInto("extra", cloudDown, 502, "APIGW.0201", hwDown, "unavailable")},
	{"Key Vault refuses us, read", azFetch("extra", cloudRefuses, 500, "InternalServerError", azRefused, "refused by the product"), hwFetch("extra", cloudRefuses, 502, "APIGW.0201", hwDown, "refused by the product")},
	{"Key Vault refuses us, write", azStore("extra", cloudRefuses, 500, "InternalServerError", azRefused, "refused by the product"), hwStore("extra", cloudRefuses, 502, "APIGW.0201", hwDown, "refused by the product")},
	{"Key Vault refuses us, restore", azInto("extra", cloudRefuses, 500, "InternalServerError", azRefused, "refused by the product"), hwInto("extra", cloudRefuses, 502, "APIGW.0201", hwDown, "refused by the product")},

	{
		"too many requests, read", scripted(azFetch("main", nil, 429, "Throttled", "too many requests", "throttled"), throttled),
		scripted(hwFetch("main", nil, 429, "APIGW.0308", "throttling threshold", "throttled"), throttled),
	},
	{
		"the outcome is unknown", scripted(azStore("main", nil, 503, "ServiceUnavailable", azUnknown, "outcome unknown"), lost),
		scripted(hwStore("main", nil, 504, "APIGW.0201", hwTimeout, "outcome unknown"), lost),
	},
	{
		"another writer came first", scripted(azStore("main", nil, 409, "Conflict", "at the same time", "conflict"), raced),
		scripted(hwStore("main", nil, 400, "CSMS.0003", "The request is invalid.", "conflict"), raced),
	},
	{
		"an error of no kind", scripted(azFetch("main", nil, 500, "InternalServerError", azInside, "internal error"), errNameless),
		scripted(hwFetch("main", nil, 500, "CSMS.0001", hwInside, "internal error"), errNameless),
	},
	{
		"a panic, read", panicking(azFetch("main", nil, 500, "InternalServerError", azInside, ""), refusing("azure.GetSecret", "tester", "main/new", "internal error")),
		panicking(hwFetch("main", nil, 500, "CSMS.0001", hwInside, ""), refusing("huawei.ShowSecretVersion", "tester", "main/new", "internal error")),
	},
	{
		"a panic, write", panicking(azStore("main", nil, 500, "InternalServerError", azInside, ""),
			append([]string{"intent azure.SetSecret tester set main/new"}, refusing("azure.SetSecret", "tester", "main/new", "internal error")...)),
		panicking(hwStore("main", nil, 500, "CSMS.0001", hwInside, ""),
			append([]string{"intent huawei.CreateSecret tester set main/new"}, refusing("huawei.CreateSecret", "tester", "main/-", "internal error")...)),
	},
}

// badDisks: an audit that cannot be written fails the call, whatever it is.
var badDisks = []badRow{
	{"the audit is full, read", unaudited(azFetch("main", nil, 500, "InternalServerError", azInside, "")), unaudited(hwFetch("main", nil, 500, "CSMS.0001", hwInside, ""))},
	{"the audit is full, write", unaudited(azStore("main", nil, 500, "InternalServerError", azInside, "")), unaudited(hwStore("main", nil, 500, "CSMS.0001", hwInside, ""))},
	{"the audit is full, backup", unaudited(azBackup("main", nil, 500, "InternalServerError", azInside, "")), unaudited(hwBackup("main", nil, 500, "CSMS.0001", hwInside, ""))},
	{"the audit is full, restore", unaudited(azInto("spare", nil, 500, "InternalServerError", azInside, "")), unaudited(hwInto("spare", nil, 500, "CSMS.0001", hwInside, ""))},
	{
		"the audit is full, a body cut", unaudited(azSet(`{"value":"`+hush, 500, azInside)).coded("InternalServerError"),
		unaudited(hwCreate(`{"name":"new","secret_string":"`+hush, 500, "CSMS.0001", hwInside)),
	},
	{
		"the audit is full, a wrong token", unaudited(&exchange{method: httpGet, path: "/keys", status: 500, code: "InternalServerError", message: azInside}),
		unaudited(&exchange{method: httpGet, path: "/keys", status: 500, code: "CSMS.0001", message: hwInside}),
	},
}

func azFetch(store string, extra func(*testing.T) backends.Backend, status int, code, message, result string) *exchange {
	return &exchange{
		store: store, extra: extra, method: httpGet, path: "/secrets/new", status: status, code: code, message: message,
		audit: reading("azure.GetSecret", "get", store+"/new", result),
	}
}

func hwFetch(store string, extra func(*testing.T) backends.Backend, status int, code, message, result string) *exchange {
	return &exchange{
		store: store, extra: extra, method: httpGet, path: "/secrets/new/versions/latest", status: status, code: code, message: message,
		audit: reading("huawei.ShowSecretVersion", "get", store+"/new", result),
	}
}

func azStore(store string, extra func(*testing.T) backends.Backend, status int, code, message, result string) *exchange {
	return &exchange{
		store: store, extra: extra, method: httpPut, path: "/secrets/new", body: `{"value":"` + hush + `"}`, status: status, code: code, message: message,
		audit: writing("azure.SetSecret", "set", store+"/new", result),
	}
}

func hwStore(store string, extra func(*testing.T) backends.Backend, status int, code, message, result string) *exchange {
	return &exchange{
		store: store, extra: extra, method: httpPost, path: "/secrets", body: `{"name":"new","secret_string":"` + hush + `"}`, status: status, code: code, message: message,
		audit: writing("huawei.CreateSecret", "set", store+"/new", result),
	}
}

func azBackup(store string, extra func(*testing.T) backends.Backend, status int, code, message, result string) *exchange {
	return &exchange{
		store: store, extra: extra, method: httpPost, path: "/secrets/taken/backup", status: status, code: code, message: message,
		audit: reading("azure.BackupSecret", "backup", store+"/taken", result),
	}
}

func hwBackup(store string, extra func(*testing.T) backends.Backend, status int, code, message, result string) *exchange {
	return &exchange{
		store: store, extra: extra, method: httpPost, path: "/secrets/taken/backup", status: status, code: code, message: message,
		audit: reading("huawei.DownloadSecretBlob", "backup", store+"/taken", result),
	}
}

func azInto(store string, extra func(*testing.T) backends.Backend, status int, code, message, result string) *exchange {
	x := azRestore(store, inWire(taken), status, code, message, restoring(opAzure, store+"/taken", result))
	x.extra = extra
	return x
}

func hwInto(store string, extra func(*testing.T) backends.Backend, status int, code, message, result string) *exchange {
	x := hwRestore(store, inJSONOf("secret_blob", taken), status, code, message, restoring(opHuawei, store+"/taken", result))
	x.extra = extra
	return x
}

func (x *exchange) coded(code string) *exchange {
	x.code = code
	return x
}

// scripted makes every call to the store "main" end like this.
func scripted(x *exchange, err error) *exchange {
	x.before = func(_ *testing.T, w *badWorld) {
		w.main.Before = func(context.Context, string) error { return err }
	}
	return x
}

var (
	throttled   = &secret.Error{Kind: secret.Throttled, RetryAfter: time.Hour}
	lost        = &secret.Error{Kind: secret.Unknown, Err: errors.New("dial tcp 127.0.0.1:1: connection reset")}
	raced       = &secret.Error{Kind: secret.Conflict}
	errNameless = errors.New("bbolt: page 7 at /tmp/x is damaged")
)

func panicking(x *exchange, audit []string) *exchange {
	x.before = func(_ *testing.T, w *badWorld) {
		w.main.Before = func(context.Context, string) error { panic("with " + hush + " in it") }
	}
	x.audit = audit
	return x
}

func unaudited(x *exchange) *exchange {
	x.before = func(_ *testing.T, w *badWorld) { w.audit.Fill() }
	x.audit = nil
	return x
}

func vaultDown(t *testing.T) backends.Backend {
	return vaultAt(t, "http://"+freeport.Keep(t), "secret", vaulttest.RootToken)
}

func vaultRefuses(t *testing.T) backends.Backend {
	s := vaulttest.Shared(t)
	return vaultAt(t, s.Address, s.NewMount(t), "hvs.of-nobody")
}

func vaultAt(t *testing.T, address, mount, token string) backends.Backend {
	c := hashivault.Config{}
	c.SetDefaults()
	c.Address, c.Mount, c.Token = address, mount, secret.TextValue(token)
	return open(t, hashivault.Driver, "extra", c)
}

func cloudDown(t *testing.T) backends.Backend {
	g := gatewaytest.New(t, gatewaytest.Options{})
	return cloudAt(t, g, freeport.Keep(t), "main", g.Token)
}

func cloudRefuses(t *testing.T) backends.Backend {
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "cloud", Kind: "memory", Backend: memory.New(memory.Options{})}}})
	return cloudAt(t, g, g.Address, "cloud", "of-nobody")
}

func cloudAt(t *testing.T, g *gatewaytest.Gateway, address, store, token string) backends.Backend {
	c := azurekv.Config{}
	c.SetDefaults()
	c.VaultURL, c.CAFile = g.VaultURL(store), caFile(t, g)
	c.Credential = azurekv.Credential{Kind: "token", Token: secret.TextValue(token)}
	c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return open(t, azurekv.Driver, "extra", c)
}
