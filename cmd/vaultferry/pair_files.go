package main

import (
	"crypto/tls"
	"os"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/internal/pemfile"
)

// pairFiles are a certificate and its key, which are read anew when one of the
// files is another one: reading at each handshake would let strangers have the
// gateway parse keys.
type pairFiles struct {
	cert, key string

	mu    sync.Mutex
	was   [2]fileStamp
	known *tls.Certificate // nil: none was read
}

// fileStamp tells one content of a file from the next.
type fileStamp struct {
	changed time.Time
	size    int64
}

// read is for tls.Config.GetCertificate. It looks before it reads, so what is
// written meanwhile is read the next time.
func (p *pairFiles) read(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	var now [2]fileStamp
	for i, name := range []string{p.cert, p.key} {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		now[i] = fileStamp{info.ModTime(), info.Size()}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known != nil && now == p.was {
		return p.known, nil
	}
	pair, err := pemfile.Pair(p.cert, p.key)
	if err != nil {
		return nil, err
	}
	p.known, p.was = &pair, now
	return p.known, nil
}
