package keysource

import (
	"context"
	"os"
	"sync"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// taken holds what was taken out of the environment of this process, of which there
// is one.
var taken = struct {
	sync.Mutex
	values map[string]secret.Value
}{values: map[string]secret.Value{}}

// take takes a variable out of the environment of this process, so that no child
// gets it, and keeps it for the next reading. What the kernel shows of the
// environment with which the process began (/proc/PID/environ) nobody takes back.
func take(name string) (secret.Value, bool) {
	taken.Lock()
	defer taken.Unlock()
	if text, set := os.LookupEnv(name); set {
		taken.values[name] = secret.TextValue(text)
		_ = os.Unsetenv(name) // it fails for names alone that LookupEnv does not know
	}
	v, known := taken.values[name]
	return v, known
}

// Variable is a keyring in a variable of the environment. Nobody can change it
// there.
type Variable struct{ ID string }

// Name implements Source.
func (v Variable) Name() string { return "the environment variable " + v.ID }

// Load implements Source.
func (v Variable) Load(context.Context) (*backup.Keyring, error) {
	text, set := take(v.ID)
	switch {
	case !set:
		return nil, named(v, invalid("it is not set"))
	case text.Len() == 0:
		return nil, named(v, invalid("it is empty"))
	}
	k, err := backup.ParseKeyring(text.Reveal())
	return k, named(v, err)
}
