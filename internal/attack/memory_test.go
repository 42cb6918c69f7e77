package attack

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func sumOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// mayHold is what strangers may cost, in MB of the gateway's memory.
const mayHold = 100

// patience is how long an attacker tries to send all that he has.
const patience = 3 * time.Second

const hostile, honest = "127.0.0.2", "127.0.0.3"

// forged is the head of a request under a key whose id is known, with a body
// of n bytes to come. Its signature is none.
func forged(path string, n int) string {
	return fmt.Sprintf("POST /v1/%s%s HTTP/1.1\r\nHost: csms.vault.localhost\r\nX-Sdk-Date: %s\r\nContent-Length: %d\r\n"+
		"Authorization: SDK-HMAC-SHA256 Access=%s, SignedHeaders=x-sdk-date, Signature=%s\r\n\r\n",
		project, path, time.Now().UTC().Format("20060102T150405Z"), n, appKey, strings.Repeat("0", 64))
}

// stall sends all of a body but its last byte, as far as the gateway takes it.
func (x *target) stall(t *testing.T, address, path string, n int, done *sync.WaitGroup) {
	c := x.raw(t, address)
	done.Go(func() {
		_ = c.SetWriteDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(c, forged(path, n))
		piece := bytes.Repeat([]byte("x"), 64<<10)
		for left := n - 1; left > 0; left -= len(piece) {
			if _, err := c.Write(piece[:min(len(piece), left)]); err != nil {
				return
			}
		}
	})
}

func secretBody(name, value string) string {
	b, _ := json.Marshal(map[string]string{"name": name, "secret_string": value})
	return string(b)
}

// serves wants an honest client of the address served.
func (x *target) serves(t *testing.T, address, name string) {
	t.Helper()
	for _, claim := range []bool{false, true} {
		c := call{method: "POST", path: "/secrets", body: secretBody(fmt.Sprint(name, claim), "v"), claim: claim}
		if code, body := x.send(t, x.from(t, address), c); code != http.StatusOK {
			t.Errorf("an honest client at %s: %d %s", address, code, body)
		}
	}
}

// TestStalledBodies: 200 connections of one address, each of which stalls at
// the last byte of the largest body that any stranger may send.
func TestStalledBodies(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	x.serves(t, honest, "before")
	before := x.memory(t)
	var sent sync.WaitGroup
	for range 200 {
		x.stall(t, hostile, "/secrets", 1<<20, &sent)
	}
	sent.Wait()
	x.costs(t, before, mayHold)
	x.serves(t, honest, "elsewhere")
	x.serves(t, hostile, "behind-the-same-address")
	x.costs(t, before, mayHold)
}

// uncollected is what the gateway may hold beside, in MB: the system counts what
// the collector has not given back, and on a busy machine it comes late.
const uncollected = 40

func (x *target) costs(t *testing.T, before, most float64) {
	t.Helper()
	cost := x.memory(t) - before
	t.Logf("memory: %.0f MB, then %.0f more", before, cost)
	if cost > most+uncollected {
		t.Errorf("it costs %.0f MB of memory, want at most %.0f, and %d that are not collected yet", cost, most, uncollected)
	}
}

// TestStalledStreams: the same over HTTP/2, where a gateway takes bodies before
// it looks at them.
func TestStalledStreams(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	x.serves(t, honest, "before")
	before := x.memory(t)
	var open, sent sync.WaitGroup
	arrives, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 4 {
		client := x.from(t, hostile)
		for range 60 {
			body, rest := io.Pipe()
			r := x.request(t, call{method: "POST", path: "/secrets", body: "{}", edit: func(r *http.Request) {
				r.Body, r.ContentLength = body, 1<<20
			}})
			open.Go(func() {
				if resp, err := client.Do(r); err == nil {
					_ = resp.Body.Close()
				}
			})
			taken := make(chan struct{})
			go func() {
				defer close(taken)
				_, _ = rest.Write(make([]byte, 1<<20-1))
			}()
			sent.Go(func() {
				select {
				case <-taken:
				case <-arrives.Done():
				}
			})
			t.Cleanup(func() { _ = rest.CloseWithError(io.ErrUnexpectedEOF) })
		}
	}
	sent.Wait()
	x.costs(t, before, mayHold)
	x.serves(t, honest, "elsewhere")
	x.costs(t, before, mayHold)
}

// TestLargeUploads: eight backups of 64 MiB that never end keep out no honest
// restore, whether its body's hash is signed in a header or not.
func TestLargeUploads(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	blob := x.blob(t, "moved", 40)
	before := x.memory(t)
	var sent sync.WaitGroup
	for range 8 {
		x.stall(t, hostile, "/secrets/restore", 64<<20, &sent)
	}
	sent.Wait()
	x.costs(t, before, mayHold)
	for i, address := range []string{honest, hostile} {
		for _, claim := range []bool{true, false} {
			body := fmt.Sprintf(`{"secret_blob":%q}`, blob)
			c := call{method: "POST", path: "/v1/" + second + "/secrets/restore", body: body, claim: claim}
			code, answer := x.send(t, x.from(t, address), c)
			if first := i == 0 && claim; code != http.StatusOK && first || !first && !strings.Contains(answer, "already exists") {
				t.Errorf("an honest restore from %s: %d %s", address, code, answer)
			}
		}
	}
}

// blob is the backup of a fresh secret with n versions of 25 KB.
func (x *target) blob(t *testing.T, name string, n int) string {
	t.Helper()
	client := x.from(t, honest)
	for range n {
		value := make([]byte, 18_000)
		_, _ = rand.Read(value)
		body, _ := json.Marshal(map[string]string{"value": base64.StdEncoding.EncodeToString(value)})
		if code, answer := do(t, client, x.azure(t, "PUT", "/secrets/"+name, appToken, bytes.NewReader(body))); code != http.StatusOK {
			t.Fatalf("%d %s", code, answer)
		}
	}
	code, answer := x.send(t, client, call{method: "POST", path: "/secrets/" + name + "/backup"})
	var made struct {
		Blob string `json:"secret_blob"`
	}
	if err := json.Unmarshal([]byte(answer), &made); err != nil || code != http.StatusOK {
		t.Fatalf("%d %.200s", code, answer)
	}
	return made.Blob
}

// TestManyMembers: five million members in the body of a restore cost whoever
// has no right to restore a refusal, and whoever has it hardly more.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	var body strings.Builder
	body.WriteString(`{"m":0`)
	for i := range 4_500_000 {
		fmt.Fprintf(&body, `,"%x":0`, i)
	}
	body.WriteString("}")
	client := x.from(t, hostile)
	before := x.memory(t)
	restores := func(token string, want int) {
		r := x.azure(t, "POST", "/secrets/restore", token, strings.NewReader(body.String()))
		if code, answer := do(t, client, r); code != want {
			t.Errorf("azure: %d %s, want %d", code, answer, want)
		}
	}
	restores(guestToken, http.StatusForbidden)
	x.costs(t, before, 20)
	restores(appToken, http.StatusBadRequest)
	for key, sk := range map[string]string{guestKey: guestSK, appKey: appSecret} {
		for _, path := range []string{"/secrets/restore", "/secrets/batch-import"} {
			want := map[string]int{guestKey: http.StatusForbidden, appKey: http.StatusBadRequest}[key]
			c := call{method: "POST", path: path, body: body.String(), key: key, sk: sk, claim: true}
			if code, answer := x.send(t, client, c); code != want {
				t.Errorf("%s: %d %s, want %d", path, code, answer, want)
			}
		}
	}
	many := `{"secrets":[{}` + strings.Repeat(",{}", 5_000_000) + "]}"
	if code, answer := x.send(t, client, call{method: "POST", path: "/secrets/batch-import", body: many, claim: true}); code != http.StatusBadRequest {
		t.Errorf("batch import: %d %s", code, answer)
	}
	x.costs(t, before, 3*64*1.1)
}

// TestSlowReaders: clients that may back up, and do not read what they get,
// hold a few answers and no more; and others get theirs.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	blob := x.blob(t, "large", 200)
	size := float64(len(blob)) / 1e6
	before := x.memory(t)
	var sent sync.WaitGroup
	for range 64 {
		c := x.raw(t, hostile)
		r := x.request(t, call{method: "POST", path: "/secrets/large/backup"})
		sent.Go(func() {
			if r.Write(c) == nil {
				_, _ = c.Read(make([]byte, 1)) // he has a place, or had one, and asks for no other
			}
		})
	}
	sent.Wait()
	if code, answer := x.send(t, x.from(t, honest), call{method: "POST", path: "/secrets/large/backup"}); code != http.StatusOK {
		t.Errorf("an honest client: %d %.100s", code, answer)
	}
	const places, copies = 8, 6 // of an answer, while it is made
	x.costs(t, before, places*copies*size)
}
