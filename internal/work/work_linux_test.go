// Package work measures what the gateway works for a request, beside bare
// handlers that stand in the same run.
//
// Work is the processor time, user and system, of the serving process alone:
// the client is another process. Each server has one core and GOMAXPROCS 1, is
// asked by 16 connections over plain HTTP, and takes its turn round by round,
// so that a machine whose speed drifts drifts for all. A figure is the median
// of the rounds. The gateway is the program itself, with authentication, audit
// and metrics, three dialects mounted and a store in memory.
package work

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	rounds      = 5
	turn        = time.Second
	connections = 16
	idle        = time.Minute // memory goes back to the system by and by
)

// contender is one row of the table: a server and what it is asked.
type contender struct {
	name, server, request string
	// beside is the row that this one is compared with; empty: none.
	beside string
}

// contenders: the goal of a row stands in its comment.
var contenders = []contender{
	{name: "bare GET", server: "bare", request: "get"},
	{name: "bare GET, audited", server: "audited", request: "get", beside: "bare GET"},
	{name: "gateway GET", server: "gateway", request: "get", beside: "bare GET"}, // 0.60
	{name: "bare LIST 25", server: "bare", request: "list"},
	{name: "gateway LIST 25", server: "gateway", request: "list", beside: "bare LIST 25"}, // 12,000 a second of its core
	{name: "bare BACKUP", server: "bare", request: "backup"},
	{name: "gateway BACKUP 100 x 1 KiB", server: "gateway", request: "backup", beside: "bare BACKUP"}, // 1,200 a second of its core
	{name: "bare SET, two syncs", server: "synced", request: "set"},
	{name: "gateway SET", server: "gateway", request: "set", beside: "bare SET, two syncs"}, // 0.80, 170 us
}

// requests are those of the vendor's clients: a GET without a version ends in
// a slash.
var requests = map[string]struct{ method, path, body string }{
	"get":    {"GET", "/secrets/bench/", ""},
	"list":   {"GET", "/secrets", ""},
	"backup": {"POST", "/secrets/long/backup", ""},
	"set":    {"PUT", "/secrets/bench-set", `{"value":"a value of some length, as passwords are"}`},
}

// BenchmarkWork prints the table. idleMB is what the gateway holds in anonymous
// memory a minute after the last request.
func BenchmarkWork(b *testing.B) {
	servers := startServers(b)
	for b.Loop() {
		taken := map[string][]sample{}
		for range rounds {
			for _, c := range contenders {
				taken[c.name] = append(taken[c.name], servers[c.server].measure(b, c.request))
			}
			forget(b, servers["gateway"])
		}
		report(b, taken)
		<-time.After(idle)
		b.ReportMetric(servers["gateway"].anonymous(b)/1e6, "idleMB")
	}
}

// sample is one turn: work of one operation, and how many were done in a second
// of time as it passed.
type sample struct{ work, rate float64 }

func medianOf(all []sample, figure func(sample) float64) float64 {
	var f []float64
	for _, s := range all {
		f = append(f, figure(s))
	}
	slices.Sort(f)
	return f[len(f)/2]
}

func report(b *testing.B, taken map[string][]sample) {
	b.Helper()
	work := func(row string) float64 { return medianOf(taken[row], func(s sample) float64 { return s.work }) }
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-28s %10s %14s %10s %8s\n", "", "us/request", "requests/core-s", "requests/s", "of bare")
	for _, c := range contenders {
		rate := medianOf(taken[c.name], func(s sample) float64 { return s.rate })
		fmt.Fprintf(&table, "%-28s %10.1f %14.0f %10.0f", c.name, work(c.name), 1e6/work(c.name), rate)
		if c.beside != "" {
			fmt.Fprintf(&table, " %8.2f", work(c.beside)/work(c.name))
		}
		table.WriteByte('\n')
		if c.server == "gateway" {
			b.ReportMetric(work(c.name), c.request+"-us")
			b.ReportMetric(work(c.beside)/work(c.name), c.request+"-of-bare")
		}
	}
	fmt.Fprint(os.Stdout, table.String()) // b.Log cuts a benchmark's text short
}
