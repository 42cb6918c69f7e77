package access_test

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	c := access.NewCredentials()
	if err := c.AddToken(sha256.Sum256([]byte("tok")), access.Credential{Caller: "ci"}); err != nil {
		t.Fatal(err)
	}
	if err := c.AddAccessKey("AK", secret.TextValue("sk"), access.Credential{Caller: "ci"}); err != nil {
		t.Fatal(err)
	}
	if err := c.AddToken(sha256.Sum256([]byte("tok")), access.Credential{Caller: "other"}); err == nil {
		t.Error("a token belongs to two callers")
	}
	if err := c.AddAccessKey("AK", secret.TextValue("sk2"), access.Credential{Caller: "other"}); err == nil {
		t.Error("an access key belongs to two callers")
	}
	if who, ok := c.Token("tok", "azure"); !ok || who.ID != "ci" || who.Via != "azure" {
		t.Errorf("token: %+v %v", who, ok)
	}
	if _, ok := c.Token("", "azure"); ok {
		t.Error("an empty token is somebody's")
	}
	if k, ok := c.AccessKey("AK", "huawei"); !ok || k.Caller.ID != "ci" || k.Caller.Via != "huawei" || string(k.Secret.Reveal()) != "sk" {
		t.Error("the access key is not found")
	}
	if _, ok := c.AccessKey("ak", "huawei"); ok {
		t.Error("key ids fold case")
	}
}

func TestThrottleLocksThePairAlone(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	th := access.NewThrottle(func() time.Time { return now })
	for range 4 {
		th.Failed("AK", "1.1.1.1")
	}
	if th.Locked("AK", "1.1.1.1") != 0 {
		t.Error("locked before five failures")
	}
	th.Failed("AK", "1.1.1.1")
	if th.Locked("AK", "1.1.1.1") == 0 {
		t.Error("not locked after five failures")
	}
	if th.Locked("AK", "2.2.2.2") != 0 || th.Locked("AK2", "1.1.1.1") != 0 {
		t.Error("somebody else is locked")
	}
	now = now.Add(6 * time.Minute)
	if th.Locked("AK", "1.1.1.1") != 0 {
		t.Error("still locked")
	}
	for range 4 {
		th.Failed("AK", "1.1.1.1")
	}
	th.Succeeded("AK", "1.1.1.1", true)
	th.Failed("AK", "1.1.1.1")
	if th.Locked("AK", "1.1.1.1") != 0 {
		t.Error("a success does not clear the count")
	}
}

// BenchmarkThrottleFlood: a failure from yet another address costs the same
// however full the throttle is.
func BenchmarkThrottleFlood(b *testing.B) {
	th := access.NewThrottle(time.Now)
	addresses := make([]string, 30_000)
	for i := range addresses {
		addresses[i] = fmt.Sprint(i)
		th.Failed("AK", addresses[i])
	}
	for i := 0; b.Loop(); i++ {
		th.Failed("AK", addresses[i%len(addresses)])
	}
}
