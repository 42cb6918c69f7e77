package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// errNobody: no gateway listens for the store.
var errNobody = errors.New("no gateway has the store open")

// askStore asks the gateway that has the store at path open.
func askStore(ctx context.Context, path, what string) (*http.Response, error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socketPath(path))
		},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://store/v1/"+what, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	var op *net.OpError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &op) && op.Op == "dial":
		return nil, errNobody
	case err != nil:
		return nil, gone(err)
	case res.StatusCode == http.StatusOK:
		return res, nil
	}
	defer func() { _ = res.Body.Close() }() // only read
	var said storeError
	if err := json.NewDecoder(io.LimitReader(res.Body, maxStoreError)).Decode(&said); err != nil {
		return nil, fmt.Errorf("the gateway that has the store open answers %s", res.Status)
	}
	return nil, said.err()
}

func gone(err error) error {
	return &secret.Error{Kind: secret.Unavailable, Detail: "the gateway that has the store open broke off", Err: err}
}

// askSnapshot writes what the gateway sends, and fails unless that is all.
func askSnapshot(ctx context.Context, path string, out io.Writer) (err error) {
	res, err := askStore(ctx, path, "backup")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, sum), res.Body); err != nil {
		return errors.Join(ctx.Err(), gone(err))
	}
	if res.Trailer.Get(sumTrailer) != hex.EncodeToString(sum.Sum(nil)) {
		return gone(io.ErrUnexpectedEOF)
	}
	return nil
}

func askExamine(ctx context.Context, path string) (*backends.Findings, error) {
	res, err := askStore(ctx, path, "check")
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // only read
	found := new(backends.Findings)
	if err := json.NewDecoder(res.Body).Decode(found); err != nil {
		return nil, errors.Join(ctx.Err(), gone(err))
	}
	return found, nil
}

// storeError is an error on its way from a gateway to a command.
type storeError struct {
	Kind   string `json:"kind"`
	Detail string `json:"detail"`
}

const maxStoreError = 64 << 10

func (e *storeError) err() error {
	for _, k := range secret.Kinds() {
		if k.Error() == e.Kind {
			return &secret.Error{Kind: k, Detail: e.Detail}
		}
	}
	return &secret.Error{Kind: secret.Internal, Detail: e.Detail}
}
