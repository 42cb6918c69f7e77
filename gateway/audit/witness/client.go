package witness

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/merkle"
)

// timeout bounds one exchange with a witness.
const timeout = 5 * time.Second

// Prove shows that a log has only grown.
type Prove func(smaller, larger int64) ([]merkle.Hash, error)

// Client asks one witness. It is safe for one caller at a time; States may be called meanwhile.
type Client struct {
	URL  string // that ends before Path
	Name string // what the witness signs as
	Keys []crypto.PublicKey
	HTTP *http.Client
	Now  func() time.Time

	size int64 // of the checkpoint that it signed last

	mu    sync.Mutex
	state audit.WitnessState
}

// Group asks several witnesses at once.
type Group []*Client

// Cosign returns the checkpoint with the signatures of those that signed it,
// beside an error of those that did not.
func (g Group) Cosign(checkpoint string, prove func(smaller, larger int64) ([]merkle.Hash, error)) (string, error) {
	lines, errs := make([]string, len(g)), make([]error, len(g))
	var asked sync.WaitGroup
	s, err := audit.ParseCheckpoint(checkpoint)
	if err != nil {
		return "", err
	}
	for i, c := range g {
		asked.Go(func() {
			lines[i], errs[i] = c.cosign(s, prove)
			c.note(s.Size, errs[i])
			if errs[i] != nil {
				errs[i] = fmt.Errorf("witness %s: %w", c.URL, errs[i])
			}
		})
	}
	asked.Wait()
	return checkpoint + strings.Join(lines, ""), errors.Join(errs...)
}

// cosign asks once, and once more where the witness remembers another size than
// this process does.
func (c *Client) cosign(s *audit.Signed, prove Prove) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	line, known, err := c.ask(ctx, s, prove)
	if errors.Is(err, errOtherSize) {
		c.size = known
		line, _, err = c.ask(ctx, s, prove)
	}
	if err != nil {
		return "", err
	}
	if err := Verify(s.Text+line, c.Name, c.Keys); err != nil {
		return "", err
	}
	c.size = s.Size
	return line, nil
}

var errOtherSize = errors.New("it remembers another size of this log")

func (c *Client) ask(ctx context.Context, s *audit.Signed, prove Prove) (line string, known int64, err error) {
	if c.size > s.Size {
		return "", 0, fmt.Errorf("it has signed %d lines, and there are %d, so it was cut, or begun anew: %w", c.size, s.Size, audit.ErrRewritten)
	}
	body := fmt.Appendf(nil, "old %d\n", c.size)
	if c.size > 0 && c.size < s.Size {
		proof, err := prove(c.size, s.Size)
		if err != nil {
			return "", 0, err
		}
		for _, h := range proof {
			body = append(base64.StdEncoding.AppendEncode(body, h[:]), '\n')
		}
	}
	body = append(append(body, '\n'), s.Text...)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+Path, bytes.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = res.Body.Close() }() // read to its end, or of no use
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return "", 0, err
	}
	switch {
	case res.StatusCode == http.StatusOK:
		return string(answer), 0, nil
	case res.StatusCode == http.StatusConflict && res.Header.Get("Content-Type") == sizeType:
		known, err := strconv.ParseInt(strings.TrimSpace(string(answer)), 10, 64)
		if err == nil && known >= 0 && known != c.size {
			return "", known, errOtherSize
		}
	case (res.StatusCode == http.StatusConflict || res.StatusCode == http.StatusUnprocessableEntity) && c.size > 0:
		return "", 0, fmt.Errorf("it has signed %d lines, and the first %[1]d here are others: %w", c.size, audit.ErrRewritten)
	}
	return "", 0, fmt.Errorf("it answers %s", res.Status)
}
