package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// goneCalls are requests whose client leaves. cut is the audit if it leaves
// within its body, late if it leaves while the product works.
var goneCalls = []struct {
	name   string
	vendor vendor
	x      *exchange
	cut    []string
	late   []string
}{
	{
		"azure read",
		azureWire{},
		&exchange{method: httpGet, path: "/secrets/taken"}, nil,
		reading("azure.GetSecret", "get", "main/taken", "unavailable"),
	},
	{
		"azure write",
		azureWire{},
		&exchange{method: httpPut, path: "/secrets/new", body: `{"value":"` + hush + `"}`},
		refusing("azure.SetSecret", "tester", "main/new", "invalid"), writing("azure.SetSecret", "set", "main/new", "outcome unknown"),
	},
	{
		"azure backup",
		azureWire{},
		&exchange{method: httpPost, path: "/secrets/taken/backup"}, nil,
		reading("azure.BackupSecret", "backup", "main/taken", "unavailable"),
	},
	{
		"azure restore",
		azureWire{},
		&exchange{method: httpPost, path: "/secrets/restore", made: inWire(renamed)},
		refusing(opAzure, "tester", "main/-", "invalid"), restoring(opAzure, "main/renamed", "outcome unknown"),
	},
	{
		"huawei read",
		huaweiWire{},
		&exchange{method: httpGet, path: "/secrets/taken/versions/latest"}, nil,
		reading("huawei.ShowSecretVersion", "get", "main/taken", "unavailable"),
	},
	{
		"huawei write",
		huaweiWire{},
		&exchange{method: httpPost, path: "/secrets", body: `{"name":"new","secret_string":"` + hush + `"}`},
		refusing("huawei.CreateSecret", "-", "main/-", "invalid"), writing("huawei.CreateSecret", "set", "main/new", "outcome unknown"),
	},
	{
		"huawei backup",
		huaweiWire{},
		&exchange{method: httpPost, path: "/secrets/taken/backup"}, nil,
		reading("huawei.DownloadSecretBlob", "backup", "main/taken", "unavailable"),
	},
	{
		"huawei restore",
		huaweiWire{},
		&exchange{method: httpPost, path: "/secrets/restore", made: inJSONOf("secret_blob", renamed)},
		refusing(opHuawei, "-", "main/-", "invalid"), restoring(opHuawei, "main/renamed", "outcome unknown"),
	},
}

// TestClientGoneInItsBody: half a body is no request.
func TestClientGoneInItsBody(t *testing.T) {
	t.Parallel()
	for _, c := range goneCalls {
		if c.cut == nil {
			continue
		}
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(c.name+" "+proto, func(t *testing.T) {
				t.Parallel()
				w, body := goneWorld(t, c.x)
				ctx, leave := context.WithCancel(t.Context())
				r := w.request(t, c.vendor, c.x, body).WithContext(ctx)
				r.Body = io.NopCloser(&leaving{body: strings.NewReader(body[:len(body)/2]), leave: leave})
				if _, err := w.client(t, proto).Do(r); err == nil {
					t.Error("an answer to half a request")
				}
				w.await(t, len(c.cut))
				w.checkGone(t, c.cut)
			})
		}
	}
}

// leaving hands out a body and lets its client leave then.
type leaving struct {
	body  io.Reader
	leave func()
}

func (l *leaving) Read(p []byte) (int, error) {
	n, err := l.body.Read(p)
	if n == 0 && errors.Is(err, io.EOF) {
		l.leave()
		return 0, errors.New("gone")
	}
	return n, nil
}

// leave sends a request whose client leaves while the store is in the hook,
// which answers with err once the gateway knows and the client is gone for
// good: one that is only about to close its connection still takes an answer.
func (w *badWorld) leave(t *testing.T, proto string, r *http.Request, hook *func(context.Context, string) error, err error) {
	t.Helper()
	leaving, leave := context.WithCancel(t.Context())
	gone := make(chan struct{})
	*hook = func(ctx context.Context, _ string) error {
		leave()
		<-ctx.Done()
		<-gone
		return err
	}
	_, got := w.client(t, proto).Do(r.WithContext(leaving))
	close(gone)
	if got == nil {
		t.Error("an answer to who is gone")
	}
}

// TestClientGoneMeanwhile: the client leaves while the product works. The
// product is told, and the audit says what is known: of a write, nothing.
func TestClientGoneMeanwhile(t *testing.T) {
	t.Parallel()
	for _, c := range goneCalls {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(c.name+" "+proto, func(t *testing.T) {
				t.Parallel()
				w, body := goneWorld(t, c.x)
				r := w.request(t, c.vendor, c.x, body)
				w.leave(t, proto, r, &w.main.Before, context.Canceled)
				w.await(t, len(c.late))
				w.main.Before = nil
				w.checkGone(t, c.late)
				w.checkStillServes(t, c.vendor)
			})
		}
	}
}

// TestClientGoneTooLate: what the product has done by then is audited as done.
func TestClientGoneTooLate(t *testing.T) {
	t.Parallel()
	w, _ := goneWorld(t, &exchange{})
	x := &exchange{method: httpPut, path: "/secrets/new", body: `{"value":"` + hush + `"}`}
	w.leave(t, "HTTP/1.1", w.request(t, azureWire{}, x, x.body), &w.main.After, nil)
	w.await(t, 2)
	w.checkAudit(t, "", writing("azure.SetSecret", "set", "main/new", "ok"))
	if s, err := w.stores["main"].Get(t.Context(), "new", secret.Current); err != nil || !s.Newest().Value.Equal(secret.TextValue(hush)) {
		t.Error("audited as done and not there")
	}
}

// TestManyGone: clients that leave keep neither a place among the calls nor
// one among the backups.
func TestManyGone(t *testing.T) {
	t.Parallel()
	w, _ := goneWorld(t, &exchange{})
	x := &exchange{method: httpPost, path: "/secrets/taken/backup"}
	for range 12 {
		w.leave(t, "HTTP/2.0", w.request(t, azureWire{}, x, ""), &w.main.Before, context.Canceled)
		w.await(t, 1)
		w.mark(t)
	}
	w.main.Before = nil
	w.checkStillServes(t, azureWire{})
}

// TestHungStore: backups that a product keeps hanging do not keep those of
// other products waiting.
func TestHungStore(t *testing.T) {
	t.Parallel()
	w, _ := goneWorld(t, &exchange{})
	if _, err := w.Service.Put(t.Context(), owner, gateway.Ref{Store: "spare", Name: "well"}, secret.Draft{Value: secret.TextValue(hush)}); err != nil {
		t.Fatal(err)
	}
	hung := make(chan struct{}, gateway.DefaultMaxBlobs)
	w.main.Before = func(ctx context.Context, _ string) error {
		hung <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	client := w.client(t, "HTTP/2.0")
	for range gateway.DefaultMaxBlobs + 1 {
		r := w.request(t, azureWire{}, &exchange{method: httpPost, path: "/secrets/taken/backup"}, "").WithContext(ctx)
		all.Go(func() { _, _ = client.Do(r) })
	}
	<-hung
	for quiet := time.After(300 * time.Millisecond); quiet != nil; { // as many as are let in
		select {
		case <-hung:
		case <-quiet:
			quiet = nil
		}
	}
	start := time.Now()
	if a := w.send(t, azureWire{}, &exchange{store: "spare", method: httpPost, path: "/secrets/well/backup"}, "HTTP/2.0", ""); a.status != http.StatusOK {
		t.Errorf("answered %d", a.status)
	}
	if took := time.Since(start); took > gateway.DefaultTimeout/2 {
		t.Errorf("waited %s for another store", took)
	}
	leave()
	all.Wait()
}

// TestBodyIsNotAwaited: who has not proved itself, or announces too much, is
// answered before it sends a body.
func TestBodyIsNotAwaited(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		v      vendor
		x      *exchange
		length int64
		status int
		audit  []string
	}{
		"azure without a token": {
			azureWire{},
			&exchange{method: httpPut, path: "/secrets/new", change: func(_ *badWorld, r *http.Request) { r.Header.Del("Authorization") }},
			1000, 401, refusing("azure.SetSecret", "-", "main/new", "unauthenticated"),
		},
		"azure too large": {azureWire{}, &exchange{method: httpPost, path: "/secrets/restore"}, 64<<20 + 1, 413, refusing(opAzure, "tester", "main/-", "too large")},
		"huawei without a signature": {
			huaweiWire{},
			&exchange{method: httpPost, path: "/secrets", change: func(_ *badWorld, r *http.Request) { r.Header.Del("Authorization") }},
			1000, 401, refusing("huawei.CreateSecret", "-", "main/-", "unauthenticated"),
		},
		"huawei of an unknown key": {huaweiWire{}, &exchange{method: httpPost, path: "/secrets", change: func(w *badWorld, r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), w.AccessKey, "AKNOBODY", 1))
		}}, 1000, 401, refusing("huawei.CreateSecret", "-", "main/-", "unauthenticated")},
		"huawei too large": {huaweiWire{}, &exchange{method: httpPost, path: "/secrets/restore"}, 64<<20 + 1, 413, refusing(opHuawei, "-", "main/-", "too large")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := goneWorld(t, c.x)
			r := w.request(t, c.v, c.x, "")
			var head strings.Builder
			_, _ = fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n", r.Method, r.URL.RequestURI(), r.URL.Host, c.length)
			_ = r.Header.Write(&head)
			resp := w.raw(t, head.String()+"\r\n")
			if resp.StatusCode != c.status {
				t.Errorf("answered %d, want %d", resp.StatusCode, c.status)
			}
			w.checkGone(t, c.audit)
		})
	}
}

// raw sends bytes over one connection and reads the first answer.
func (w *badWorld) raw(t *testing.T, request string) *http.Response {
	t.Helper()
	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: w.CA, ServerName: "main.vault.localhost", MinVersion: tls.VersionTLS12}}).
		DialContext(t.Context(), "tcp", w.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil { // whoever waits for more has lost
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func goneWorld(t *testing.T, x *exchange) (*badWorld, string) {
	t.Helper()
	w := newBadWorld(t, nil)
	body := x.body
	if x.made != nil {
		body = x.made(t, w)
	}
	w.mark(t)
	return w, body
}

// renamed is a blob of a name that is free.
func renamed(t *testing.T, w *badWorld) []byte {
	return resealed(t, w, w.Keyring, func(d *backup.Document) { d.Secret.Name = "renamed" })
}

func (w *badWorld) checkGone(t *testing.T, audit []string) {
	t.Helper()
	w.checkAudit(t, "", audit)
	w.checkUnchanged(t)
	w.checkSilent(t, "the log", w.log.String())
	w.checkSilent(t, "the audit", w.audit.Text())
}

// checkStillServes reads and backs up as if nothing had happened.
func (w *badWorld) checkStillServes(t *testing.T, v vendor) {
	t.Helper()
	for _, x := range []*exchange{{method: httpGet, path: "/secrets/taken"}, {method: httpPost, path: "/secrets/taken/backup"}} {
		if a := w.send(t, v, x, "HTTP/2.0", ""); a.status != http.StatusOK {
			t.Errorf("%s answers %d afterwards", x.path, a.status)
		}
	}
}
