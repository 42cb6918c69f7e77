package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/internal/hook"
	"github.com/vaultferry/vaultferry/secret"
)

// Store is one configured, named backend. Zero fields take the defaults of
// the constants below.
type Store struct {
	Name            string
	Kind            string // the configured backend kind: "bolt"
	Backend         backends.Backend
	ReadOnly        bool
	OnLoss          OnLoss
	Timeout         time.Duration // of one call
	Concurrency     int           // calls at once; more wait
	RetentionDays   int           // of deleted secrets, 7 to 90
	PurgeProtection bool
}

// Defaults of a store and of the service.
const (
	DefaultTimeout       = 30 * time.Second
	DefaultConcurrency   = 64
	DefaultRetentionDays = 90
	DefaultMaxBlobs      = 4
)

// Options make a Service. All fields are needed but ID and the last six.
type Options struct {
	// ID is what blobs carry as the gateway that they came from. Gateways with the
	// same one restore each other's as their own. Default: the keyring's.
	ID       string
	Stores   []Store
	Policy   *access.Policy
	Keyring  *backup.Keyring
	Audit    *audit.Log
	Log      *slog.Logger
	Now      func() time.Time // default time.Now
	MaxBlobs int              // backups and restores at once
	Observe  func(Observation)
	// Writes, if not nil, observes the writes to secrets.
	Writes hook.Observer
	// RequireProof refuses to restore a blob of which nothing proves that a holder
	// of the keyring made it: see backup.Document.ProvedBy.
	RequireProof bool
	// Archive takes what LossArchive keeps. Empty: that is refused.
	Archive archive.Dir
	// TraceNames allows the spans of traced requests to name the secret.
	TraceNames bool
	// Self is what other gateways hear of this one: see MeetGateways. Without an ID it
	// has that of the audit's log.
	Self Member
}

// Observation is one finished call, for metrics.
type Observation struct {
	Op, Store  string
	Result     string // as in the audit
	Duration   time.Duration
	BackendOps int64
	Answers    backends.AnswerCounts // of the product's to requests by HTTP
	Lacking    int                   // what a list should show and cannot
}

// Service does what callers ask. It is safe for concurrent use.
type Service struct {
	stores  map[string]*store
	names   []string
	policy  *access.Policy
	id      string
	proof   bool // is required of blobs
	keys    *backup.Keyring
	audit   *audit.Log
	log     *slog.Logger
	now     func() time.Time
	blobs   *semaphore.Weighted
	observe func(Observation)
	writes  hook.Observer // nil: nobody observes
	archive archive.Dir
	// traceNames: spans may name the secret.
	traceNames bool
	unknown    *unknownWrites
	versions   *versionCache
	fleet      *fleet

	repository *atomic.Pointer[unwrapped] // the key that was asked for last
	mostBlobs  int64
	blobsNow   *atomic.Int64     // that have a slot of blobs
	locks      map[string]*locks // by the names of stores, also of those that were removed
}

// store is a Store as one service sees it: another one may have other settings
// for it.
type store struct {
	Store
	*opened
	*locks
	slots *semaphore.Weighted
	blobs *semaphore.Weighted // its share of Service.blobs
}

// opened is what belongs to an open backend.
type opened struct {
	caps backends.Capabilities
	optional
	health storeHealth
	// running are the calls that have a slot.
	running atomic.Int64
}

// locks belong to the name of a store, whichever backend it has.
type locks struct {
	wholeStore *semaphore.Weighted // held by whoever goes through all of the store
	edits      kit.KeyedLock       // of those who decide by what stands
	trash      kit.KeyedLock       // of those who move a name into the trash, or out of it
}

// optional are the optional parts of a backend; nil where it lacks one.
type optional struct {
	native     backends.NativeBlobs
	hidden     backends.HiddenReader
	retention  backends.RetentionReporter
	file       backends.WholeStore
	verifier   backends.Verifier
	stateStore backends.StateStore
	purger     backends.ExactPurger
	repeater   backends.Repeater
	tags       backends.TagLimiter
	displacer  backends.Displacer
	speller    backends.Speller
	pager      backends.VersionPager
	marker     backends.Marker
	keyHolder  backends.KeyHolder
	// credentials says when what the product knows the gateway by ends.
	credentials backends.CredentialReporter
}

func optionalOf(b backends.Backend) (o optional) {
	o.native, _ = b.(backends.NativeBlobs)
	o.hidden, _ = b.(backends.HiddenReader)
	o.retention, _ = b.(backends.RetentionReporter)
	o.file, _ = b.(backends.WholeStore)
	o.verifier, _ = b.(backends.Verifier)
	o.stateStore, _ = b.(backends.StateStore)
	o.purger, _ = b.(backends.ExactPurger)
	o.repeater, _ = b.(backends.Repeater)
	o.tags, _ = b.(backends.TagLimiter)
	o.displacer, _ = b.(backends.Displacer)
	o.speller, _ = b.(backends.Speller)
	o.pager, _ = b.(backends.VersionPager)
	o.marker, _ = b.(backends.Marker)
	o.keyHolder, _ = b.(backends.KeyHolder)
	o.credentials, _ = b.(backends.CredentialReporter)
	return o
}

// Call is who asks, and how the request is known.
type Call struct {
	Caller    access.Caller
	Op        string // the dialect's operation name: "azure.GetSecret"
	RequestID string
	Address   string // of the client
	// Timeout bounds the call instead of the store's. Zero: the store's.
	Timeout time.Duration
	// Digest identifies the body of a mutation, so that a client's repeat of
	// one whose outcome is unknown can be recognised. Zero: cannot. Restores
	// need none: they are known by their blob.
	Digest [32]byte
	// TellTrash: the API shows what is in the trash. What is not live and lies
	// there answers Trashed instead of NotFound, and a Recover of what is live
	// AlreadyExists.
	TellTrash bool
	// NativeBlobs: the API's clients know the product's own backups and can
	// give them back. Without it every backup is portable.
	NativeBlobs bool
}

// Ref names a secret in a store.
type Ref struct {
	Store string
	Name  secret.Name
	// Folder begins Name where the caller sees only what is in that folder. A
	// backup leaves it out, so that it can be restored into another one.
	Folder secret.Name
	// Event names the event that the call is about, for the audit.
	Event string
}

// New returns a service over open stores. Closing it closes them.
func New(o Options) (*Service, error) {
	s := &Service{
		stores: map[string]*store{}, locks: map[string]*locks{}, policy: o.Policy, id: orDefault(o.ID, o.Keyring.GatewayID()), proof: o.RequireProof, keys: o.Keyring, audit: o.Audit,
		log: o.Log, now: o.Now, observe: o.Observe, writes: o.Writes, archive: o.Archive, traceNames: o.TraceNames,
		unknown: &unknownWrites{}, versions: &versionCache{}, repository: &atomic.Pointer[unwrapped]{},
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.observe == nil {
		s.observe = func(Observation) {}
	}
	s.mostBlobs = int64(orDefault(o.MaxBlobs, DefaultMaxBlobs))
	s.blobs, s.blobsNow = semaphore.NewWeighted(s.mostBlobs), new(atomic.Int64)
	s.unknown.now = s.now
	s.fleet = &fleet{now: s.now, log: o.Audit.ID, self: o.Self}
	return s, s.addStores(o.Stores, nil)
}

// blobShare is how many of the slots for backups and restores one of several
// stores may hold: one that hangs must not stop those of the others.
func blobShare(most int64, stores int) int64 {
	if stores == 1 {
		return most
	}
	return max(1, most/2)
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// Info is what a dialect may show of a store.
type Info struct {
	Name, Kind      string
	Capabilities    backends.Capabilities
	ReadOnly        bool
	RetentionDays   int
	PurgeProtection bool
}

// Stores lists the configured stores in order.
func (s *Service) Stores() []string { return s.names }

// Info returns the facts of a store.
func (s *Service) Info(name string) (Info, bool) {
	st, ok := s.stores[name]
	if !ok {
		return Info{}, false
	}
	return Info{
		Name: st.Name, Kind: st.Kind, Capabilities: st.caps, ReadOnly: st.ReadOnly,
		RetentionDays: st.RetentionDays, PurgeProtection: st.PurgeProtection,
	}, true
}

// MayUse reports whether the caller may do anything at all in the store.
func (s *Service) MayUse(c access.Caller, store string) bool { return s.policy.MayUse(c, store) }

// May reports whether the caller may do the action to some name in the store.
func (s *Service) May(c access.Caller, a access.Action, store string) bool {
	return s.policy.AllowSome(c, a, store)
}

// MaxTags is how many tags a version may have in the store; zero: no limit is
// known.
func (s *Service) MaxTags(name string) int {
	if st, ok := s.stores[name]; ok && st.tags != nil {
		return st.tags.MaxTags()
	}
	return 0
}

// Gateway returns the id that this gateway's blobs carry.
func (s *Service) Gateway() string { return s.id }

// Check reports whether the store's product can be reached and accepts the
// gateway's credentials.
func (s *Service) Check(ctx context.Context, name string) error {
	st, ok := s.stores[name]
	if !ok {
		return secret.Errorf(secret.NotFound, "no store %q", name)
	}
	ctx, cancel := context.WithTimeout(ctx, st.Timeout)
	defer cancel()
	err := st.Backend.Check(ctx)
	if !errors.Is(ctx.Err(), context.Canceled) {
		st.health.observe(err)
	}
	return err
}

// Retention returns for how many days the store's product keeps what is
// deleted, if that is not for the configuration to say. Zero: it is, or nobody
// knows.
func (s *Service) Retention(ctx context.Context, name string) (int, error) {
	st, ok := s.stores[name]
	if !ok {
		return 0, secret.Errorf(secret.NotFound, "no store %q", name)
	}
	if st.retention == nil {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, st.Timeout)
	defer cancel()
	return st.retention.Retention(ctx)
}

// Ready returns why the gateway itself cannot serve, or nil. A store that is
// down is not such a reason.
func (s *Service) Ready() error { return s.audit.Healthy() }

// Close closes every store.
func (s *Service) Close() error {
	var errs []error
	for _, n := range s.names {
		s.fleet.leave(s.stores[n])
		if err := s.stores[n].Backend.Close(); err != nil {
			errs = append(errs, fmt.Errorf("store %s: %w", n, err))
		}
	}
	return errors.Join(errs...)
}
