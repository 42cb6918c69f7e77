package audit

import (
	"errors"
	"net/netip"
	"sync"
	"time"
)

// Refusals of nobody known cost him nothing, so they must not cost the disk, and
// neither must those of a caller who asks too often.
const (
	// refusedOwn is how many refusals of an address, or of a caller beyond his rate,
	// in a minute have a line each, where Options do not say.
	refusedOwn = 10
	// refusedAddresses is how many addresses are told apart in a minute, and
	// after them how many networks.
	refusedAddresses = 1000
	refusedEvery     = time.Minute
	others           = "others"
)

// refusals counts those beyond.
type refusals struct {
	most  int // of an address or a caller that have a line each
	mu    sync.Mutex
	began time.Time
	by    map[string]*refused // addresses and networks
	nets  int
	of    map[string]*refused // callers, of whom the configuration has so many
}

type refused struct {
	own   int // lines that were written
	tally Tally
}

// Refuse is Write of a refusal. Those of callers who are known have a line
// each; those of strangers too, the first ones of an address in a minute. What
// is beyond is told by one line a minute. own reports whether it has a line of its own.
func (l *Log) Refuse(e Entry) (own bool, err error) {
	if e.Caller != "" {
		return true, l.Write(e, false)
	}
	return l.refuse(e)
}

// RefuseRate is Write of the refusal of a request beyond its caller's rate. The
// first ones of a caller in a minute have a line each, wherever he asks from.
func (l *Log) RefuseRate(e Entry) (own bool, err error) { return l.refuse(e) }

func (l *Log) refuse(e Entry) (own bool, err error) {
	now := l.now()
	if err := l.tellRefused(now); err != nil {
		return false, err
	}
	if l.refused.own(now.UTC(), e) {
		return true, l.Write(e, false)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return false, l.err // what cannot be told is not answered
}

// tellRefused writes the lines of a minute that is over.
func (l *Log) tellRefused(now time.Time) error {
	var errs []error
	for _, e := range l.refused.over(now.UTC()) {
		if err := l.Write(e, false); err != nil {
			l.refused.again(now.UTC(), e)
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// own counts a refusal, and reports whether it has a line of its own.
func (r *refusals) own(now time.Time, e Entry) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.bucket(now, e)
	if b.own < r.most {
		b.own++
		return true
	}
	b.tally.add(Tally{Count: 1, First: now, Last: now, Results: map[string]int64{e.Result: 1}})
	return false
}

// bucket is where a refusal is counted: with those of its caller, or else of its
// address.
func (r *refusals) bucket(now time.Time, e Entry) *refused {
	r.begin(now)
	if e.Caller != "" {
		return at(r.of, e.Caller)
	}
	own, network := networksOf(e.Address)
	if b := r.by[own]; b != nil {
		return b
	}
	key := own
	if len(r.by)-r.nets >= refusedAddresses {
		if key = network; r.by[key] == nil && r.nets >= refusedAddresses {
			key = others
		}
	}
	if key != own && r.by[key] == nil {
		r.nets++
	}
	return at(r.by, key)
}

// begin starts a minute, unless one runs.
func (r *refusals) begin(now time.Time) {
	if r.by == nil {
		r.by, r.of, r.began, r.nets = map[string]*refused{}, map[string]*refused{}, now, 0
	}
}

func at(all map[string]*refused, key string) *refused {
	if all[key] == nil {
		all[key] = &refused{}
	}
	return all[key]
}

// networksOf is the address, in IPv6 the /64 that one customer has, and the
// network around it.
func networksOf(address string) (own, network string) {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		with, err := netip.ParseAddrPort(address)
		if err != nil {
			return others, others
		}
		ip = with.Addr()
	}
	ip = ip.Unmap().WithZone("")
	bits, around := 32, 24
	if ip.Is6() {
		bits, around = 64, 48
	}
	wide, _ := ip.Prefix(around) // the bits fit
	if ip.Is4() {
		return ip.String(), wide.String()
	}
	narrow, _ := ip.Prefix(bits)
	return narrow.String(), wide.String()
}

// over takes the tallies of a minute that is over.
func (r *refusals) over(now time.Time) []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil || now.Sub(r.began) < refusedEvery {
		return nil
	}
	return r.take()
}

// all takes the tallies of the minute that runs.
func (r *refusals) all() []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.take()
}

func (r *refusals) take() []Entry {
	var all []Entry
	tell := func(e Entry, b *refused) {
		if b.tally.Count == 0 {
			return
		}
		e.Phase, e.Op, e.Tally = Outcome, OpRefused, &b.tally
		for result, n := range b.tally.Results {
			if n > b.tally.Results[e.Result] || n == b.tally.Results[e.Result] && result > e.Result {
				e.Result = result
			}
		}
		all = append(all, e)
	}
	for address, b := range r.by {
		tell(Entry{Address: address}, b)
	}
	for caller, b := range r.of {
		tell(Entry{Caller: caller}, b)
	}
	r.by, r.of = nil, nil
	return all
}

// again counts what could not be told, with its caller's or else among the others:
// the next minute tells of it.
func (r *refusals) again(now time.Time, e Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begin(now)
	if e.Caller != "" {
		at(r.of, e.Caller).tally.add(*e.Tally)
		return
	}
	b := r.by[others]
	if b == nil {
		b = &refused{own: r.most}
		r.by[others] = b
		r.nets++
	}
	b.tally.add(*e.Tally)
}

func (t *Tally) add(o Tally) {
	if t.Count == 0 || o.First.Before(t.First) {
		t.First = o.First
	}
	if o.Last.After(t.Last) {
		t.Last = o.Last
	}
	t.Count += o.Count
	if t.Results == nil {
		t.Results = map[string]int64{}
	}
	for k, n := range o.Results {
		t.Results[k] += n
	}
}

// tellAllRefused is tellRefused at the end.
func (l *Log) tellAllRefused() error {
	var errs []error
	for _, e := range l.refused.all() {
		errs = append(errs, l.Write(e, false))
	}
	return errors.Join(errs...)
}
