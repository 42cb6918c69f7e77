package audit

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

type buffer struct{ bytes.Buffer }

func (*buffer) Sync() error  { return nil }
func (*buffer) Close() error { return nil }

func (b *buffer) entries(t *testing.T) (all []Entry) {
	t.Helper()
	for line := range bytes.Lines(b.Bytes()) {
		e, err := Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// TestStrangersCostLittle: ten lines a minute for an address, one for all that
// is beyond, with how many there were and when.
func TestStrangersCostLittle(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	file := &buffer{}
	l := New(file, func() time.Time { return now })
	for i := range 2000 {
		now = now.Add(10 * time.Millisecond)
		if _, err := l.Refuse(Entry{Op: "azure.GetSecret", Address: "203.0.113.7", Result: "unauthenticated"}); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 { // whoever proved himself has his line
			if _, err := l.Refuse(Entry{Op: "azure.GetSecret", Caller: "app", Address: "203.0.113.7", Result: "denied"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(file.entries(t)); n != 30 {
		t.Fatalf("%d lines", n)
	}
	now = now.Add(time.Minute)
	if err := l.Tick(); err != nil {
		t.Fatal(err)
	}
	all := file.entries(t)
	e := all[len(all)-1]
	if len(all) != 31 || e.Op != OpRefused || e.Address != "203.0.113.7" || e.Result != "unauthenticated" || e.Tally.Count != 1990 ||
		e.Tally.Last.Sub(e.Tally.First) != 1989*10*time.Millisecond || e.Tally.Results["unauthenticated"] != 1990 {
		t.Errorf("%d lines, the last %+v", len(all), e.Tally)
	}
	if _, err := l.Refuse(Entry{Address: "203.0.113.7", Result: "invalid"}); err != nil || len(file.entries(t)) != 32 {
		t.Errorf("the next minute has no line of its own (%v)", err)
	}
	if err := l.Close(); err != nil || len(file.entries(t)) != 32 {
		t.Errorf("the end tells of what had its line (%v)", err)
	}
}

// TestCallersBeyondTheirRate: ten lines a minute for a caller, from wherever, one
// for all that is beyond. What he may not do has its line as ever.
func TestCallersBeyondTheirRate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	file := &limited{}
	l := New(file, func() time.Time { return now })
	for i := range 2000 {
		for _, caller := range []string{"app", "batch"} {
			if _, err := l.RefuseRate(Entry{Op: "azure.GetSecret", Caller: caller, Address: fmt.Sprintf("10.0.%d.%d", i/250, i%250), Result: "throttled"}); err != nil {
				t.Fatal(err)
			}
		}
		if i%100 == 0 {
			if _, err := l.Refuse(Entry{Op: "azure.GetSecret", Caller: "app", Address: "10.0.0.1", Result: "denied"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := len(file.entries(t)); n != 10+10+20 {
		t.Fatalf("%d lines", n)
	}
	now = now.Add(time.Minute)
	file.full = true // they are told later then, of the same caller
	if err := l.Tick(); err == nil {
		t.Error("a full disk is no error")
	}
	file.full = false
	now = now.Add(time.Minute)
	if err := l.Tick(); err != nil {
		t.Fatal(err)
	}
	told := map[string]int64{}
	for _, e := range file.entries(t) {
		if e.Op == OpRefused {
			told[e.Caller+" "+e.Address+" "+e.Result] += e.Tally.Count
		}
	}
	if len(told) != 2 || told["app  throttled"] != 1990 || told["batch  throttled"] != 1990 {
		t.Errorf("told: %v", told)
	}
}

// TestStrangersFromEverywhere: so many addresses, then networks, then others.
func TestStrangersFromEverywhere(t *testing.T) {
	t.Parallel()
	file := &buffer{}
	now := time.Now()
	l := New(file, func() time.Time { return now })
	refuse := func(format string, n int) {
		for i := range n {
			for range 11 {
				if _, err := l.Refuse(Entry{Address: fmt.Sprintf(format, i/250, i%250), Result: "denied"}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	refuse("10.0.%d.%d", 1000)
	refuse("2001:db8:%x:%x::1", 250) // one network, as the others are told
	refuse("10.%[2]d.%[1]d.9", 3000)
	refuse("nowhere %d %d", 20)
	if n := len(l.refused.by); n > 2*refusedAddresses+1 {
		t.Errorf("%d places", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var tallied []string
	count := int64(0)
	for _, e := range file.entries(t) {
		if e.Op == OpRefused {
			tallied = append(tallied, e.Address)
			count += e.Tally.Count
		} else {
			count++
		}
	}
	if count != 11*(1000+250+3000+20) {
		t.Errorf("%d refusals are told", count)
	}
	for _, want := range []string{"10.0.0.0", "2001:db8::/48", "10.7.3.0/24", others} {
		if !slices.Contains(tallied, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if len(tallied) > 2*refusedAddresses+1 || slices.ContainsFunc(tallied, func(s string) bool { return strings.HasPrefix(s, "nowhere") }) {
		t.Errorf("%d lines", len(tallied))
	}
}

// TestOneCustomerIsOneAddress: in IPv6 anybody has a /64.
func TestOneCustomerIsOneAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1:80": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8:1:2:3::4": "2001:db8:1:2::/64", "[2001:db8:1:2:9::4]:443": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "": others,
	} {
		if got, _ := networksOf(address); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

// TestARefusalThatCannotBeToldIsNotForgotten.
func TestARefusalThatCannotBeToldIsNotForgotten(t *testing.T) {
	t.Parallel()
	file := &limited{}
	now := time.Now()
	l := New(file, func() time.Time { return now })
	for range 30 {
		if _, err := l.Refuse(Entry{Address: "192.0.2.1", Result: "denied"}); err != nil {
			t.Fatal(err)
		}
	}
	file.full = true
	now = now.Add(2 * time.Minute)
	if _, err := l.Refuse(Entry{Address: "192.0.2.1", Result: "denied"}); err == nil {
		t.Error("it is answered")
	}
	file.full = false
	now = now.Add(2 * time.Minute)
	if err := l.Tick(); err != nil {
		t.Fatal(err)
	}
	all := file.entries(t)
	if e := all[len(all)-1]; e.Op != OpRefused || e.Address != others || e.Tally.Count != 20 {
		t.Errorf("the last line is %+v", e)
	}
}

type limited struct {
	buffer
	full bool
}

func (l *limited) Write(b []byte) (int, error) {
	if l.full {
		return 0, fmt.Errorf("no space")
	}
	return l.buffer.Write(b)
}
