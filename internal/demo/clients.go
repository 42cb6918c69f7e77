package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/sdkhmac"
)

// client is one store seen through one dialect. It knows nothing of the gateway
// but its wire.
type client interface {
	// write adds a version and returns its id as the dialect writes it.
	write(ctx context.Context, name, value string, first bool) (id string, err error)
	read(ctx context.Context, name, id string) (value string, err error)
	backup(ctx context.Context, name string) (blob []byte, err error)
	restore(ctx context.Context, blob []byte) error
	// ids lists the versions.
	ids(ctx context.Context, name string) ([]string, error)
}

// exchange sends body, if any, as JSON, and decodes the answer into out.
func exchange(ctx context.Context, c *http.Client, method, url string, body, out any, sign func(*http.Request, []byte) error) error {
	var raw []byte
	var err error
	if body != nil {
		if raw, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if err := sign(req, raw); err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &refusal{fmt.Sprintf("%s %s: %s", method, req.URL.Path, resp.Status), answer}
	}
	return json.Unmarshal(answer, out)
}

// refusal is an answer other than success. Its body may hold a value, so that
// it prints the status alone.
type refusal struct {
	status string
	body   []byte
}

// Error is the status.
func (r *refusal) Error() string { return r.status }

// refusedAs reports whether err is a refusal that says so.
func refusedAs(err error, text string) bool {
	var r *refusal
	return errors.As(err, &r) && bytes.Contains(r.body, []byte(text))
}

type azureClient struct {
	http        *http.Client
	base, token string
}

func (c *azureClient) do(ctx context.Context, method, path string, body, out any) error {
	return exchange(ctx, c.http, method, c.base+path+"?api-version=7.4", body, out, func(r *http.Request, _ []byte) error {
		r.Header.Set("Authorization", "Bearer "+c.token)
		return nil
	})
}

type azureSecret struct {
	ID    string  `json:"id"`
	Value *string `json:"value"`
}

func (c *azureClient) write(ctx context.Context, name, value string, _ bool) (string, error) {
	var out azureSecret
	err := c.do(ctx, http.MethodPut, "/secrets/"+name, map[string]string{"value": value}, &out)
	return path.Base(out.ID), err
}

func (c *azureClient) read(ctx context.Context, name, id string) (string, error) {
	var out azureSecret
	err := c.do(ctx, http.MethodGet, "/secrets/"+name+"/"+id, nil, &out)
	if err == nil && out.Value == nil {
		err = errors.New("the answer has no value")
	}
	if err != nil {
		return "", err
	}
	return *out.Value, nil
}

func (c *azureClient) backup(ctx context.Context, name string) ([]byte, error) {
	var out struct {
		Value string `json:"value"`
	}
	if err := c.do(ctx, http.MethodPost, "/secrets/"+name+"/backup", nil, &out); err != nil {
		return nil, err
	}
	return backup.DecodeBase64URL(out.Value)
}

func (c *azureClient) restore(ctx context.Context, blob []byte) error {
	var out azureSecret
	return c.do(ctx, http.MethodPost, "/secrets/restore", map[string]string{"value": backup.EncodeBase64URL(blob)}, &out)
}

func (c *azureClient) ids(ctx context.Context, name string) ([]string, error) {
	var out struct {
		Value []azureSecret `json:"value"`
	}
	err := c.do(ctx, http.MethodGet, "/secrets/"+name+"/versions", nil, &out)
	var ids []string
	for _, v := range out.Value {
		ids = append(ids, path.Base(v.ID))
	}
	return ids, err
}

type huaweiClient struct {
	http *http.Client
	base string // with the project
	sign func(*http.Request, []byte) error
}

func (c *huaweiClient) do(ctx context.Context, method, path string, body, out any) error {
	return exchange(ctx, c.http, method, c.base+path, body, out, c.sign)
}

type huaweiMetadata struct {
	ID string `json:"id"`
}

func (c *huaweiClient) write(ctx context.Context, name, value string, first bool) (string, error) {
	if first {
		var out struct{}
		return "v1", c.do(ctx, http.MethodPost, "/secrets", map[string]string{"name": name, "secret_string": value}, &out)
	}
	var out struct {
		Metadata huaweiMetadata `json:"version_metadata"`
	}
	err := c.do(ctx, http.MethodPost, "/secrets/"+name+"/versions",
		map[string]any{"secret_string": value, "version_stages": []string{"SYSCURRENT"}}, &out)
	return out.Metadata.ID, err
}

func (c *huaweiClient) read(ctx context.Context, name, id string) (string, error) {
	var out struct {
		Version struct {
			Value *string `json:"secret_string"`
		} `json:"version"`
	}
	err := c.do(ctx, http.MethodGet, "/secrets/"+name+"/versions/"+id, nil, &out)
	if err == nil && out.Version.Value == nil {
		err = errors.New("the answer has no value")
	}
	if err != nil {
		return "", err
	}
	return *out.Version.Value, nil
}

func (c *huaweiClient) backup(ctx context.Context, name string) ([]byte, error) {
	var out struct {
		Blob string `json:"secret_blob"`
	}
	err := c.do(ctx, http.MethodPost, "/secrets/"+name+"/backup", nil, &out)
	return []byte(out.Blob), err
}

func (c *huaweiClient) restore(ctx context.Context, blob []byte) error {
	var out struct{}
	return c.do(ctx, http.MethodPost, "/secrets/restore", map[string]string{"secret_blob": string(blob)}, &out)
}

func (c *huaweiClient) ids(ctx context.Context, name string) ([]string, error) {
	var out struct {
		Versions []huaweiMetadata `json:"version_metadatas"`
	}
	err := c.do(ctx, http.MethodGet, "/secrets/"+name+"/versions", nil, &out)
	var ids []string
	for _, v := range out.Versions {
		ids = append(ids, v.ID)
	}
	return ids, err
}

// views returns a store as each dialect shows it.
func (g *Gateway) views(store string) (azure, huawei view) {
	return view{&azureClient{http: g.Client, base: g.Vaults[store], token: g.Token}, "azure", store},
		view{&huaweiClient{
			http: g.Client, base: g.Projects[store],
			sign: func(r *http.Request, body []byte) error {
				return sdkhmac.Sign(r, body, g.AccessKey, g.SecretKey, g.Now())
			},
		}, "huawei", store}
}
