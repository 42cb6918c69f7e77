package access_test

import (
	"crypto/sha256"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

var noon = time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)

func prefixes(all ...string) (out []netip.Prefix) {
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// TestJudge: the end is the first moment that is too late, an address is judged
// whatever form it has, and who is elsewhere learns of no end.
func TestJudge(t *testing.T) {
	t.Parallel()
	day := &access.Bounds{Expires: noon}
	near := &access.Bounds{Addresses: prefixes("10.1.0.0/16", "2001:db8::/32")}
	both := &access.Bounds{Expires: noon, Addresses: prefixes("10.1.0.0/16")}
	for _, c := range []struct {
		name    string
		bounds  *access.Bounds
		at      time.Duration // after noon
		address string
		want    string
	}{
		{"none", nil, 0, "", ""},
		{"the last moment", day, -1, "", ""},
		{"the end", day, 0, "", "token:t of app ended at 2027-01-31T12:00:00Z"},
		{"inside", near, 0, "10.1.255.255", ""},
		{"inside, of six", near, 0, "2001:db8:1::1", ""},
		{"four in six", near, 0, "::ffff:10.1.2.3", ""},
		{"with a zone", near, 0, "2001:db8::1%eth0", ""},
		{"outside", near, 0, "10.2.0.0", "token:t of app is not for use from 10.2.0.0"},
		{"no address", near, 0, "@", "token:t of app is not for use from @"},
		{"another's, too", day.And(near), -1, "10.2.0.0", "token:t of app is not for use from 10.2.0.0"},
		{"another's end, too", near.And(day), 0, "10.1.0.1", "token:t of app ended at 2027-01-31T12:00:00Z"},
		{"within both", near.And(day), -1, "10.1.0.1", ""},
		{"both are wrong", both, time.Hour, "10.2.0.0", "token:t of app is not for use from 10.2.0.0"},
	} {
		who := access.Caller{ID: "app", Credential: "token:t", Bounds: c.bounds}
		err := who.Judge(access.From{Time: noon.Add(c.at), Address: c.address})
		switch bound, is := errors.AsType[*access.BoundError](err); {
		case (err == nil) != (c.want == ""):
			t.Errorf("%s: %v", c.name, err)
		case err == nil:
		case !is || err.Error() != c.want || access.Ended(err) != (bound.Elsewhere == ""):
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestEveryCredentialHasItsBounds: what is looked up carries them, and Bearer
// judges.
func TestEveryCredentialHasItsBounds(t *testing.T) {
	t.Parallel()
	c := access.NewCredentials()
	bounds := access.Bounds{Expires: noon, Addresses: prefixes("10.0.0.0/8")}
	if err := errors.Join(
		c.AddToken(sha256.Sum256([]byte("tok")), access.Credential{Caller: "app", Name: "ci", Bounds: bounds}),
		c.AddToken(sha256.Sum256([]byte("free")), access.Credential{Caller: "app"}),
		c.AddAccessKey("AK", secret.TextValue("sk"), access.Credential{Caller: "app", Bounds: bounds}),
	); err != nil {
		t.Fatal(err)
	}
	good := access.From{Via: "azure", Address: "10.0.0.1", Time: noon.Add(-time.Hour)}
	if who, err := c.Bearer("tok", good, nil); err != nil || who.Credential != "token:ci" || who.Via != "azure" {
		t.Errorf("%+v, %v", who, err)
	}
	late, elsewhere := good, good
	late.Time, elsewhere.Address = noon, "192.0.2.1"
	for _, from := range []access.From{late, elsewhere} {
		if who, err := c.Bearer("tok", from, nil); err == nil || who.ID != "" {
			t.Errorf("%+v: %v", from, who)
		}
		if _, err := c.Bearer("free", from, nil); err != nil {
			t.Error(err)
		}
		if k, _ := c.AccessKey("AK", "huawei"); c.Check(k.Caller, from) == nil {
			t.Errorf("%+v: the key is taken", from)
		}
	}
}

// TestRates: a caller has its burst, then its rate; a change leaves what was
// used up, and no other caller waits.
func TestRates(t *testing.T) {
	t.Parallel()
	now, refused := noon, map[string]int{}
	r := access.NewRates(func() time.Time { return now }, func(caller string) { refused[caller]++ })
	take := func(caller string, n int) (taken int, wait time.Duration) {
		for range n {
			if w := r.Take(caller); w > 0 {
				wait = w
			} else {
				taken++
			}
		}
		return taken, wait
	}
	if n, _ := take("app", 100); n != 100 {
		t.Error("who has no rate is bounded")
	}
	r.Use(map[string]access.Rate{"app": {Requests: 60, Per: time.Minute, Burst: 5}, "other": {Requests: 1, Per: time.Second, Burst: 1}})
	if n, wait := take("app", 10); n != 5 || wait != time.Second {
		t.Errorf("%d at once, then wait %v", n, wait)
	}
	if n, _ := take("other", 2); n != 1 {
		t.Errorf("the other one: %d", n)
	}
	now = now.Add(2 * time.Second)
	if n, _ := take("app", 10); n != 2 {
		t.Errorf("%d after two seconds", n)
	}
	r.Use(map[string]access.Rate{"app": {Requests: 600, Per: time.Minute, Burst: 50}})
	if n, wait := take("app", 1); n != 0 || wait != 100*time.Millisecond {
		t.Errorf("a change gives %d anew, wait %v", n, wait)
	}
	if n, _ := take("other", 9); n != 9 {
		t.Errorf("without a rate: %d", n)
	}
	now = now.Add(time.Hour)
	if n, _ := take("app", 60); n != 50 {
		t.Errorf("%d at once after an hour", n)
	}
	if refused["app"] != 5+8+1+10 || refused["other"] != 1 {
		t.Errorf("told of %v", refused)
	}
	var none *access.Rates
	if none.Take("app") != 0 {
		t.Error("no rates")
	}
}
