package fleet

import (
	"os"
	"testing"

	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

var scratch string

func TestMain(m *testing.M) {
	if dsn := os.Getenv(bareVariable); dsn != "" {
		panic(serveBare(dsn))
	}
	var err error
	if scratch, err = os.MkdirTemp("", "fleet-"); err != nil {
		panic(err)
	}
	code := m.Run()
	vaulttest.StopShared()
	postgrestest.StopShared()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}
