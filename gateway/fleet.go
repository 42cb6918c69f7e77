package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// How gateways that share a store know each other: each writes, at this pace, into
// one of the store's records that it is there.
const (
	fleetKey    = "gateways"
	fleetPace   = 15 * time.Second
	fleetSilent = time.Minute               // unheard for longer: it is silent
	fleetForget = 24 * time.Hour            // and then forgotten
	fleetMost   = 64                        // what a record has room for; of more the silent ones go first
	fleetRoom   = backends.MaxState - 1<<10 // likewise
	fleetTries  = 8                         // where others write at the same moment
	fleetLeave  = 3 * time.Second
)

// Member is a gateway as it tells of itself.
type Member struct {
	ID      string    `json:"id"`   // of the log of its audit, which no two gateways share
	Name    string    `json:"name"` // for people
	Version string    `json:"version"`
	Began   time.Time `json:"began"`
	// Seen is when it last told, by its own clock where it tells, and by this
	// gateway's where this gateway has heard it.
	Seen time.Time `json:"seen"`
}

// FleetMember is a gateway that shares a store with this one, or this one.
type FleetMember struct {
	Member
	// Stores are those through which it is known. None: this gateway has no store
	// whose product tells of others.
	Stores []string `json:"stores"`
	This   bool     `json:"this,omitempty"`
	// Silent: it has not told for a minute, and did not say that it leaves.
	Silent bool `json:"silent"`
}

// fleet is what this gateway knows of others. Clocks of gateways may differ, so one
// is heard when what it tells has changed, by the clock of this one. What it told
// before this gateway began is as old as it says.
type fleet struct {
	now func() time.Time
	log func() string // the id of the audit's log; empty before its first line

	mu    sync.Mutex
	self  Member
	known map[string]map[string]Member // by store and id; Seen is by this clock
	told  map[string]map[string]Member // as they stand in the record
}

// fleetRecord is the record of a store. What later releases add to a member stays
// as it is.
type fleetRecord struct {
	Version  int               `json:"version"`
	Gateways []json.RawMessage `json:"gateways"`
}

var errForeignFleet = errors.New("the record of gateways is not what this release writes")

// Fleet tells of the gateways that share a store with this one, this one first, then
// by name. It asks no product.
func (s *Service) Fleet() []FleetMember {
	f := s.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	self := FleetMember{Member: f.present(), This: true, Stores: []string{}}
	others := map[string]*FleetMember{}
	for _, name := range s.names {
		known, keeps := f.known[name]
		if !keeps {
			continue
		}
		self.Stores = append(self.Stores, name)
		for id, m := range known {
			o := others[id]
			if o == nil {
				o = &FleetMember{Member: m}
				others[id] = o
			}
			if m.Seen.After(o.Seen) {
				o.Member = m
			}
			o.Stores = append(o.Stores, name)
		}
	}
	all := make([]FleetMember, 0, 1+len(others))
	for _, o := range others {
		o.Silent = self.Seen.Sub(o.Seen) > fleetSilent
		all = append(all, *o)
	}
	slices.SortFunc(all, func(a, b FleetMember) int { return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID) })
	return append([]FleetMember{self}, all...)
}

// MeetGateways tells the other gateways of each store whose product has a place for
// it that this one is there, and hears of them, until ctx ends. service says which
// stores there are. A Service that is closed takes its leave.
func MeetGateways(ctx context.Context, service func() *Service, log *slog.Logger) {
	failing := map[string]bool{}
	var mu sync.Mutex
	round(ctx, fleetPace, func() []string { return service().fleetStores() }, func(name string) {
		s := service()
		err := s.Meet(ctx, name)
		mu.Lock()
		defer mu.Unlock()
		if err != nil && !failing[name] && ctx.Err() == nil && !errors.Is(err, secret.Unavailable) { // which its health tells
			log.Warn("the gateways of a store cannot know each other", slog.String("store", name), slog.Any("error", err))
		}
		failing[name] = err != nil
	})
}

// fleetStores are the stores through which gateways know each other.
func (s *Service) fleetStores() (names []string) {
	for _, name := range s.names {
		if st := s.stores[name]; st.caps.Fleet && st.stateStore != nil {
			names = append(names, name)
		}
	}
	return names
}

// Meet does once for one store what MeetGateways does. A store that is read-only is
// read alone, and so its other gateways do not hear of this one.
func (s *Service) Meet(ctx context.Context, name string) error {
	st, ok := s.stores[name]
	if !ok || st.stateStore == nil {
		return secret.Errorf(secret.Unsupported, "no gateways are known through store %q", name)
	}
	ctx, cancel := context.WithTimeout(ctx, st.Timeout)
	defer cancel()
	return s.fleet.tell(ctx, st, false)
}

// leave tells the others of a store that this gateway goes, if they heard of it.
func (f *fleet) leave(st *store) {
	f.mu.Lock()
	_, known := f.known[st.Name]
	f.mu.Unlock()
	if !known {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), fleetLeave)
	defer cancel()
	_ = f.tell(ctx, st, true) // else it is silent, and forgotten
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.known, st.Name)
	delete(f.told, st.Name)
}

// present is this gateway as of now, with mu held.
func (f *fleet) present() Member {
	if f.self.ID == "" {
		f.self.ID = f.log()
	}
	m := f.self
	m.Seen = f.now().UTC().Truncate(time.Millisecond)
	return m
}

func (f *fleet) tell(ctx context.Context, st *store, leaving bool) error {
	f.mu.Lock()
	if f.present().ID == "" { // an audit that does not know its first line
		f.self.ID = secret.NewUID().String()
	}
	f.mu.Unlock()
	for range fleetTries {
		r := fleetRecord{Version: 1}
		text, revision, err := st.stateStore.ReadState(ctx, fleetKey)
		switch {
		case errors.Is(err, secret.NotFound):
		case err != nil:
			return err
		case json.Unmarshal(text, &r) != nil || r.Version != 1:
			return &secret.Error{Kind: secret.Internal, Op: "state." + fleetKey, Err: errForeignFleet}
		}
		r.Gateways = f.hear(st.Name, r.Gateways)
		if st.ReadOnly || leaving && revision == "" {
			return nil
		}
		if !leaving {
			f.mu.Lock()
			own, err := json.Marshal(f.present())
			f.mu.Unlock()
			if err != nil {
				return err
			}
			r.Gateways = append(r.Gateways, own)
		}
		if text, err = json.Marshal(r); err != nil {
			return err
		}
		if err = st.stateStore.WriteState(ctx, fleetKey, text, revision); !errors.Is(err, secret.Conflict) {
			return err
		}
	}
	return &secret.Error{Kind: secret.Conflict, Detail: "other gateways keep writing the same"}
}

// hear takes what the others tell, and returns it, less this gateway's own and those
// that are to be forgotten.
func (f *fleet) hear(store string, all []json.RawMessage) []json.RawMessage {
	now := f.now().UTC().Truncate(time.Millisecond)
	f.mu.Lock()
	defer f.mu.Unlock()
	self := f.present().ID
	known, told := map[string]Member{}, map[string]Member{}
	kept := map[string]json.RawMessage{}
	for _, raw := range all {
		var m Member
		if json.Unmarshal(raw, &m) != nil || m.ID == "" || m.ID == self {
			continue
		}
		heard := m
		if before, met := f.told[store][m.ID]; !met {
			heard.Seen = earlier(m.Seen, now)
		} else if heard.Seen = now; before.Seen.Equal(m.Seen) {
			heard.Seen = f.known[store][m.ID].Seen
		}
		if now.Sub(heard.Seen) > fleetForget {
			continue
		}
		known[m.ID], told[m.ID], kept[m.ID] = heard, m, raw
	}
	for id, m := range told {
		if now.Sub(known[id].Seen) > fleetSilent && f.isBack(m, told) {
			delete(known, id)
			delete(told, id)
			delete(kept, id)
		}
	}
	ids := make([]string, 0, len(kept))
	for id := range kept {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { return known[b].Seen.Compare(known[a].Seen) })
	var raws []json.RawMessage
	room := fleetRoom
	for _, id := range ids {
		if room -= len(kept[id]) + 1; room >= 0 && len(raws)+1 < fleetMost {
			raws = append(raws, kept[id])
		}
	}
	if f.known == nil {
		f.known, f.told = map[string]map[string]Member{}, map[string]map[string]Member{}
	}
	f.known[store], f.told[store] = known, told
	return raws
}

// isBack reports whether a gateway of the same name began after the member had told
// for the last time: it was killed, and came back with another audit. Two that ran at
// one time are two. mu is held.
func (f *fleet) isBack(m Member, told map[string]Member) bool {
	follows := func(o Member) bool { return o.Name == m.Name && o.Began.After(m.Seen) }
	if m.Name == "" {
		return false
	}
	if follows(f.self) {
		return true
	}
	for _, o := range told {
		if follows(o) {
			return true
		}
	}
	return false
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
