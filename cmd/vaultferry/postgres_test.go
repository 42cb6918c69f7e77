package main

import (
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/vaultferry/vaultferry/internal/postgrestest"
)

// databases is the server of the scripts that ask for one. It ends with t.
type databases struct {
	t      *testing.T
	once   sync.Once
	server *postgrestest.Server
}

func (d *databases) cmdDatabase(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 0)
	d.once.Do(func() { d.server = postgrestest.Start(d.t, postgrestest.Options{}) })
	if d.server == nil {
		ts.Fatalf("PostgreSQL did not start")
	}
	name := d.server.NewDatabase(d.t)
	ts.Setenv("PGDB", name)
	ts.Setenv("PGDSN", d.server.DSN(name))
}

func (d *databases) cmdSQL(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1)
	ts.Check(d.server.Run(ts.Getenv("PGDB"), args...))
}
