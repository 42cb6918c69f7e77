package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// transits are the Vaults of scripts, each with a door in front that can be shut.
type transits struct{ t *testing.T }

type transitWorld struct {
	native *api.Client
	shut   atomic.Bool
	asked  atomic.Int64 // to open or to seal; the upkeep of tokens is no matter
}

// cmdTransit starts a Vault with a transit key, "ring": $VAULT is where the door is,
// $TRANSIT the mount. In gateway.token and operator.token are who may decrypt, and who
// may encrypt as well; $ROLE and $SECRET_ID log in as the gateway.
func (s *transits) cmdTransit(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 0)
	server := vaulttest.Start(s.t)
	w := &transitWorld{native: server.Client(s.t, vaulttest.RootToken)}
	target, err := url.Parse(server.Address)
	ts.Check(err)
	mount, key := server.NewTransit(s.t, nil)
	proxy := httputil.NewSingleHostReverseProxy(target)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/"+mount+"/") {
			w.asked.Add(1)
		}
		if w.shut.Load() {
			http.Error(rw, `{"errors":["Vault is sealed"]}`, http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(rw, r)
	}))
	ts.Defer(front.Close)
	ts.Defer(server.Stop)
	rule := func(verb string) string {
		return `path "` + mount + "/" + verb + "/" + key + `" { capabilities = ["update"] }` + "\n"
	}
	gateway := server.Policy(s.t, rule("decrypt"))
	operator := server.Policy(s.t, rule("decrypt")+rule("encrypt"))
	role := server.NewAppRole(s.t, gateway, nil)
	for file, token := range map[string]string{"gateway.token": server.Token(s.t, gateway), "operator.token": server.Token(s.t, operator), "secret_id": role.SecretID} {
		writePrivate(ts, file, token)
	}
	for name, value := range map[string]string{"VAULT": front.URL, "TRANSIT": mount, "ROLE": role.RoleID, "APPROLE": role.Mount} {
		ts.Setenv(name, value)
	}
	ts.Value(processesKey{}).(*processes).vault = w
}

func writePrivate(ts *testscript.TestScript, file, text string) {
	ts.Check(ts.Exec("sh", "-c", `umask 077; printf %s "$1" > "$2"`, "sh", text, file))
}

func transitOf(ts *testscript.TestScript) *transitWorld {
	w := ts.Value(processesKey{}).(*processes).vault
	if w == nil {
		ts.Fatalf("there is no Vault: transit")
	}
	return w
}

// cmdVault is "vault shut", "vault open", "vault write PATH KEY=VALUE...", "vault
// revoke FILE" of a token, and "vault idle": nothing was to be opened or sealed since the
// last of these.
func cmdVault(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1)
	w := transitOf(ts)
	asked := w.asked.Swap(0)
	switch args[0] {
	case "shut", "open":
		w.shut.Store(args[0] == "shut")
	case "idle":
		if asked != 0 {
			ts.Fatalf("Vault was asked %d times", asked)
		}
	case "write":
		need(ts, neg, args, 2)
		data := map[string]any{}
		for _, pair := range args[2:] {
			key, value, _ := strings.Cut(pair, "=")
			data[key] = value
		}
		_, err := w.native.Logical().Write(args[1], data)
		ts.Check(err)
	case "revoke":
		need(ts, neg, args, 2)
		ts.Check(w.native.Auth().Token().RevokeTree(ts.ReadFile(args[1])))
	default:
		ts.Fatalf("wrong use of vault: %q", args)
	}
}
