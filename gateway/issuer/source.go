package issuer

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// How often keys are fetched.
const (
	fetchEvery   = 30 * time.Second // at most
	renewAfter   = 55 * time.Minute // beside whoever asks, so that a busy gateway never waits
	freshFor     = time.Hour        // then whoever asks waits: keys that are withdrawn go
	downFor      = 2 * time.Minute  // so long after a failure an issuer counts as down, and nobody waits
	fetchTimeout = 5 * time.Second  // of one request
	unknownFor   = 2 * time.Minute  // so long an unknown id is worth no other fetch
	maxUnknown   = 1024             // ids that are remembered
	maxWaiting   = 64               // tokens that wait for a fetch
)

// Sources are where keys are fetched from. They outlive a configuration: a
// reload fetches nothing that it knows.
type Sources struct {
	watcher Watcher

	mu  sync.Mutex
	all map[sourceKey]*source
}

// Watcher is told of each fetch, and of issuers that are not used any more.
type Watcher interface {
	IssuerFetched(issuer string, ok bool)
	IssuerGone(issuer string)
}

type nobody struct{}

func (nobody) IssuerFetched(string, bool) {}
func (nobody) IssuerGone(string)          {}

// sourceKey is all that decides what is fetched.
type sourceKey struct {
	name, url, jwksURL, bearer string
	ca                         [sha256.Size]byte
}

// NewSources returns none. The watcher may be nil.
func NewSources(w Watcher) *Sources {
	if w == nil {
		w = nobody{}
	}
	return &Sources{watcher: w, all: map[sourceKey]*source{}}
}

// source returns the one for the issuer, of which there may be one already.
func (s *Sources) source(i Issuer) (*source, error) {
	key := sourceKey{name: i.Name, url: i.URL, jwksURL: i.JWKSURL, bearer: i.BearerTokenFile}
	var ca []byte
	if i.CAFile != "" {
		var err error
		if ca, err = readBounded(i.CAFile, maxDocument); err != nil {
			return nil, err
		}
		key.ca = sha256.Sum256(ca)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if had := s.all[key]; had != nil {
		return had, nil
	}
	f, err := newFetcher(i, ca)
	if err != nil {
		return nil, err
	}
	return &source{key: key, fetcher: f, watcher: s.watcher, unknown: map[string]time.Time{}}, nil
}

// keep takes those of a configuration for the ones to come, and begins to fetch
// what is new.
func (s *Sources) keep(used map[sourceKey]*source, log *slog.Logger, now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, src := range used {
		if s.all[key] == nil {
			src.log, src.now = log, now
			src.mu.Lock()
			src.begin(now())
			src.mu.Unlock()
		}
	}
	for key := range s.all {
		if !named(used, key.name) {
			s.watcher.IssuerGone(key.name)
		}
	}
	s.all = used
}

func named(all map[sourceKey]*source, name string) bool {
	for key := range all {
		if key.name == name {
			return true
		}
	}
	return false
}

// source is the keys of an issuer that are fetched. Tokens whose key is known
// wait only where no fetch was good for an hour, and none failed just now.
type source struct {
	key     sourceKey
	fetcher *fetcher
	watcher Watcher
	log     *slog.Logger
	now     func() time.Time

	mu      sync.Mutex
	set     *jwks // nil: none came yet
	fetched time.Time
	tried   time.Time
	failed  time.Time            // when the last fetch that failed did
	running chan struct{}        // closed when the fetch ends; nil: there is none
	waiting int                  // for it, with an id that is not known
	unknown map[string]time.Time // ids that a fetch did not bring, until when
	down    bool                 // the last fetch failed
	said    quiet
}

func (s *source) state() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	if s.set == nil {
		return 0
	}
	return s.set.sum
}

// refresh fetches keys that are known for long. It waits for those that are too
// old to be trusted unseen: after an idle spell nobody else has looked. The wait
// ends with the fetch, so it is bounded in time; it is not in number, or a crowd
// would open with a key that is withdrawn.
func (s *source) refresh() {
	now := s.now()
	age := now.Sub(s.fetched).Abs()
	if s.set == nil || age <= renewAfter {
		return
	}
	down := s.down && now.Sub(s.failed).Abs() <= downFor
	if s.mayFetch(now) {
		s.begin(now)
	}
	if age > freshFor && !down && s.running != nil {
		s.wait()
	}
}

func (s *source) mayFetch(now time.Time) bool {
	return s.running == nil && (s.tried.IsZero() || now.Sub(s.tried).Abs() >= fetchEvery)
}

// find implements keys. An id that is not known is worth one fetch, for which a
// bounded number of tokens waits; a flood of them costs no more. While the issuer is
// down nobody knows whose it is.
func (s *source) find(h header) ([]any, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh()
	if found, sum := s.known(h); found != nil {
		return found, sum, nil
	}
	now := s.now()
	if until, ok := s.unknown[h.kid]; ok && now.Before(until) && until.Sub(now) <= unknownFor {
		return nil, 0, nil
	}
	if s.mayFetch(now) {
		s.begin(now)
	}
	waited := s.running != nil && s.waiting < maxWaiting
	if waited {
		s.waiting++
		s.wait()
		s.waiting--
	}
	if found, sum := s.known(h); found != nil {
		return found, sum, nil
	}
	if s.set == nil || s.down && !s.set.has(h.kid) { // it may be a key of today
		return nil, 0, &access.TokenError{Fault: access.IssuerDown, Again: max(time.Second, s.tried.Add(fetchEvery).Sub(now))}
	}
	if waited { // the issuer does not know it either
		s.forget(now)
		s.unknown[h.kid] = now.Add(unknownFor)
	}
	return nil, s.set.sum, nil
}

func (s *source) known(h header) ([]any, uint64) {
	if s.set == nil {
		return nil, 0
	}
	return s.set.find(h), s.set.sum
}

// wait lets others work until the fetch ends.
func (s *source) wait() {
	done := s.running
	s.mu.Unlock()
	<-done
	s.mu.Lock()
}

// forget makes room for another id.
func (s *source) forget(now time.Time) {
	if len(s.unknown) < maxUnknown {
		return
	}
	for kid, until := range s.unknown {
		if !now.Before(until) || len(s.unknown) >= maxUnknown-maxUnknown/10 {
			delete(s.unknown, kid)
		}
	}
}

// begin fetches, beside whoever asks.
func (s *source) begin(now time.Time) {
	s.tried, s.running = now, make(chan struct{})
	go func() {
		set, err := s.fetcher.fetch(context.Background())
		s.mu.Lock()
		defer s.mu.Unlock()
		close(s.running)
		s.running = nil
		s.took(set, err)
	}()
}

// took takes what a fetch brought, or says why it brought nothing: what is known
// stays.
func (s *source) took(set *jwks, err error) {
	name, now := s.key.name, s.now()
	s.watcher.IssuerFetched(name, err == nil)
	if err != nil {
		if !s.down || s.said.may(now) {
			s.said.may(now)
			s.log.Error("the keys of an issuer could not be fetched; tokens go by those that are known, if any", slog.String("issuer", name), slog.Any("error", err))
		}
		s.down, s.failed = true, now
		return
	}
	if s.down {
		s.log.Info("the keys of an issuer were fetched again", slog.String("issuer", name))
	}
	if s.set == nil || s.set.sum != set.sum {
		clear(s.unknown)
	}
	s.set, s.fetched, s.down = set, now, false
}
