package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/tracing"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// ErrNobody says that no gateway listens on the socket.
var ErrNobody = errors.New("no gateway is running")

// answerTimeout is how long a gateway may take to say what it is: it may have a busy machine.
const answerTimeout = 10 * time.Second

// Client asks a running gateway. Of a Call it uses Op, which must begin with
// "cli.", RequestID and Timeout; the gateway knows who asks. Errors are *secret.Error;
// Unavailable and, of what changes something, Unknown say that the gateway
// broke off.
type Client struct {
	status Status
	http   *http.Client
}

// Connect finds the gateway at the socket. Kinds: ErrNobody; Unavailable, where
// somebody listens and says nothing within ten seconds; Denied.
func Connect(ctx context.Context, socket string) (*Client, error) {
	c := &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialTrusted(ctx, socket) },
	}}}
	asked, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	status, err := statusOperation(nil).ask(asked, c, gateway.Call{Op: "cli.status"}, noArgs{})
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTSOCK):
		err = ErrNobody
	case errors.Is(err, fs.ErrPermission):
		err = secret.Errorf(secret.Denied, "the gateway on %s is of another user", socket)
	case asked.Err() != nil:
		err = secret.Errorf(secret.Unavailable, "the gateway on %s does not answer", socket)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	c.status = status
	return c, nil
}

// dialTrusted connects to nobody but a gateway of this user, or of root. Root
// may ask any.
func dialTrusted(ctx context.Context, socket string) (net.Conn, error) {
	conn, err := dial(ctx, socket)
	if err != nil {
		return nil, err
	}
	uid, err := peerUID(conn)
	if err == nil && !trusted(uid) && os.Geteuid() != 0 {
		err = secret.Errorf(secret.Denied, "the gateway on %s is of another user", socket)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Close ends the connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Status is what the gateway said of itself when it was found.
func (c *Client) Status() Status { return c.status }

// Check is gateway.Service.Check.
func (c *Client) Check(ctx context.Context, store string) error {
	_, err := checkOperation.ask(ctx, c, gateway.Call{Op: "cli.check"}, storeArgs{store})
	return err
}

// List is gateway.Service.List.
func (c *Client) List(ctx context.Context, call gateway.Call, store string, q secret.Query) (secret.Page, error) {
	w, err := listOperation.ask(ctx, c, call, queryToArgs(store, q))
	return w.page(), err
}

// ListTrash is gateway.Service.ListTrash.
func (c *Client) ListTrash(ctx context.Context, call gateway.Call, store string, q secret.Query) (secret.Page, error) {
	w, err := listTrashOperation.ask(ctx, c, call, queryToArgs(store, q))
	return w.page(), err
}

// Describe is gateway.Service.Describe.
func (c *Client) Describe(ctx context.Context, call gateway.Call, r gateway.Ref) (*secret.Secret, error) {
	w, err := describeOperation.ask(ctx, c, call, refToArgs(r))
	return w.secret(), err
}

// Get is gateway.Service.Get.
func (c *Client) Get(ctx context.Context, call gateway.Call, r gateway.Ref, sel secret.Selector) (*secret.Secret, error) {
	w, err := getOperation.ask(ctx, c, call, selectorToArgs(r, sel))
	return w.secret(), err
}

// Digest is gateway.Service.Digest. The run key goes to the gateway, and no value
// comes back.
func (c *Client) Digest(ctx context.Context, call gateway.Call, r gateway.Ref, k inventory.Key, o gateway.DigestOptions) (*inventory.Entry, error) {
	return digestOperation.ask(ctx, c, call, digestArgs{refToArgs(r), k.Reveal(), o.Of, o.NoValues, o.Tags})
}

// Rehearse is gateway.Service.Rehearse.
func (c *Client) Rehearse(ctx context.Context, call gateway.Call, a access.Action, r gateway.Ref) (*secret.Secret, error) {
	w, err := rehearseOperation.ask(ctx, c, call, rehearseArgs{refToArgs(r), a})
	return w.secret(), err
}

// Put is gateway.Service.Put, of the members of a draft that a person gives.
func (c *Client) Put(ctx context.Context, call gateway.Call, r gateway.Ref, d secret.Draft) (*secret.Secret, error) {
	q, err := draftToArgs(r, d)
	if err != nil {
		return nil, err
	}
	w, err := putOperation.ask(ctx, c, call, q)
	return w.secret(), err
}

// Delete is gateway.Service.Delete.
func (c *Client) Delete(ctx context.Context, call gateway.Call, r gateway.Ref) (*secret.Secret, error) {
	w, err := deleteOperation.ask(ctx, c, call, refToArgs(r))
	return w.secret(), err
}

// Recover is gateway.Service.Recover.
func (c *Client) Recover(ctx context.Context, call gateway.Call, r gateway.Ref) (*secret.Secret, error) {
	w, err := recoverOperation.ask(ctx, c, call, refToArgs(r))
	return w.secret(), err
}

// BackupWith is gateway.Service.BackupWith.
func (c *Client) BackupWith(ctx context.Context, call gateway.Call, r gateway.Ref, o gateway.BackupOptions) ([]byte, []secret.Loss, error) {
	w, err := backupOperation.ask(ctx, c, call, backupToArgs(r, o))
	return w.Blob, lossesFromWire(w.Losses), err
}

// Pack is gateway.Service.Pack.
func (c *Client) Pack(ctx context.Context, call gateway.Call, r gateway.Ref, k inventory.Key, o gateway.PackOptions) (*gateway.Packed, error) {
	w, err := packOperation.ask(ctx, c, call, packArgs{backupToArgs(r, o.BackupOptions), k.Reveal(), o.Foretell, o.Of})
	if w == nil {
		return nil, err
	}
	return &gateway.Packed{Blob: w.Blob, Entry: w.Entry, Losses: lossesFromWire(w.Losses), Refused: w.Refused}, err
}

// RehearseBackup is gateway.Service.RehearseBackup.
func (c *Client) RehearseBackup(ctx context.Context, call gateway.Call, r gateway.Ref, o gateway.BackupOptions) ([]secret.Loss, error) {
	w, err := rehearseBackupOperation.ask(ctx, c, call, backupToArgs(r, o))
	return lossesFromWire(w.Losses), err
}

// SealFor is gateway.Service.SealFor. The key crosses wrapped, and what comes back
// is sealed.
func (c *Client) SealFor(ctx context.Context, call gateway.Call, r gateway.Ref, o gateway.SealOptions) (*gateway.Sealed, error) {
	w, err := sealForOperation.ask(ctx, c, call, sealForArgs{refToArgs(r), o.Key, o.Known, o.OnLoss})
	return w.sealed(), err
}

// Restore is gateway.Service.Restore. The archive is a folder of this process's
// own view; CheckName cannot be asked.
func (c *Client) Restore(ctx context.Context, call gateway.Call, store string, blob []byte, o gateway.RestoreOptions) (*gateway.Outcome, error) {
	q, err := restoreToArgs(store, blob, o)
	if err != nil {
		return nil, err
	}
	w, err := restoreOperation.ask(ctx, c, call, q)
	return w.outcome(), err
}

// Sweep is gateway.Service.Sweep.
func (c *Client) Sweep(ctx context.Context, call gateway.Call, store string, dryRun bool) (gateway.Swept, error) {
	w, err := sweepOperation.ask(ctx, c, call, sweepArgs{store, dryRun})
	return gateway.Swept{Names: w.Names, LeftOut: leftOutFromWire(w.LeftOut)}, err
}

// Verify is gateway.Service.Verify.
func (c *Client) Verify(ctx context.Context, call gateway.Call, store string) (*backends.Findings, error) {
	return verifyOperation.ask(ctx, c, call, storeArgs{store})
}

// Snapshot is gateway.Service.Snapshot. It fails unless w got all of it.
func (c *Client) Snapshot(ctx context.Context, call gateway.Call, store string, w io.Writer) error {
	return snapshotOperation.ask(ctx, c, call, storeArgs{store}, w)
}

// RotateAudit is gateway.Service.RotateAudit.
func (c *Client) RotateAudit(ctx context.Context, call gateway.Call) (string, error) {
	w, err := auditRotateOperation.ask(ctx, c, call, noArgs{})
	return w.Text, err
}

// CheckpointAudit is gateway.Service.CheckpointAudit.
func (c *Client) CheckpointAudit(ctx context.Context, call gateway.Call) (string, error) {
	w, err := auditCheckpointOperation.ask(ctx, c, call, noArgs{})
	return w.Text, err
}

// Reload has the gateway read its configuration again.
func (c *Client) Reload(ctx context.Context, call gateway.Call) (Reloaded, error) {
	return reloadOperation(nil).ask(ctx, c, call, noArgs{})
}

// ask sends one operation and decodes the answer. What was done before an
// error comes beside it, also where ctx ended the call: then the error is that
// of ctx as well.
func (o operation[Q, A]) ask(ctx context.Context, c *Client, call gateway.Call, q Q) (A, error) {
	var a answer[A]
	asked := ctx
	if o.changes { // else there is nothing to hear of once nobody waits
		var done func()
		asked, done = hangingUp(ctx)
		defer done()
	}
	res, err := c.post(asked, o.name, asking(call, q))
	if err != nil {
		return a.Result, o.brokenOff(ctx, err)
	}
	defer func() { _ = res.Body.Close() }() // only read
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil && res.StatusCode == http.StatusOK {
		return a.Result, o.brokenOff(ctx, err)
	}
	a.Asked.pay(ctx)
	err = answered(res, a.Error)
	switch {
	case err == nil || ctx.Err() == nil:
		return a.Result, err
	case secret.KindOf(err) == secret.Internal: // it says no more than that the call was ended
		return a.Result, o.brokenOff(ctx, err)
	}
	return a.Result, errors.Join(err, ctx.Err())
}

func (o operation[Q, A]) brokenOff(ctx context.Context, err error) error {
	if o.changes && !notSent(err) {
		return errors.Join(ctx.Err(), &secret.Error{Kind: secret.Unknown, Detail: "the gateway broke off before it said what was done", Err: withoutURL(err)})
	}
	return brokenOff(ctx, err)
}

// notSent: no connection was made.
func notSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return (ok && op.Op == "dial") || errors.Is(err, secret.Denied)
}

func brokenOff(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, secret.Denied):
		return err
	}
	return &secret.Error{Kind: secret.Unavailable, Detail: "the gateway broke off", Err: withoutURL(err)}
}

// withoutURL is err without the name that the gateway has here alone.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// answered is the error that came, or one for an answer that is none of ours.
func answered(res *http.Response, f *failure) error {
	if f == nil && res.StatusCode != http.StatusOK {
		return &secret.Error{Kind: secret.Unavailable, Detail: fmt.Sprintf("the gateway answers %s", res.Status)}
	}
	return f.err()
}

func asking[Q any](call gateway.Call, q Q) request[Q] {
	return request[Q]{call.Op, call.RequestID, call.Timeout, q}
}

func (c *Client) post(ctx context.Context, operation string, q any) (*http.Response, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://vaultferry"+version+operation, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	tracing.Inject(ctx, req.Header)
	return c.http.Do(req)
}

func (o stream[Q]) ask(ctx context.Context, c *Client, call gateway.Call, q Q, w io.Writer) (err error) {
	res, err := c.post(ctx, o.name, asking(call, q))
	if err != nil {
		return brokenOff(ctx, err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end, or of no use
	if res.StatusCode != http.StatusOK {
		var a answer[*nothing]
		_ = json.NewDecoder(res.Body).Decode(&a) // answered says what is left
		return answered(res, a.Error)
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, sum), res.Body); err != nil {
		return errors.Join(ctx.Err(), brokenOff(ctx, err))
	}
	if res.Trailer.Get(sumTrailer) != hex.EncodeToString(sum.Sum(nil)) {
		return brokenOff(ctx, io.ErrUnexpectedEOF)
	}
	return nil
}
