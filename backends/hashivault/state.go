package hashivault

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// metadata is the product's own account of a secret.
type metadata struct {
	Made     time.Time              `json:"created_time"`
	Current  int64                  `json:"current_version"`
	Max      int64                  `json:"max_versions"`
	Custom   map[string]string      `json:"custom_metadata"`
	Versions map[string]versionFact `json:"versions"`
}

type versionFact struct {
	Created   time.Time `json:"created_time"`
	Deletion  string    `json:"deletion_time"`
	Destroyed bool      `json:"destroyed"`
}

func (f *versionFact) missing(now time.Time) secret.Missing {
	if f.Destroyed {
		return secret.Destroyed
	}
	if at, err := time.Parse(time.RFC3339Nano, f.Deletion); err == nil && !at.After(now) {
		return secret.Deleted
	}
	return ""
}

// state is everything known of one secret at one moment.
type state struct {
	place
	metadata
	exists  bool // a key is there, perhaps without a version
	head    head
	more    companion
	numbers []int64 // the versions that are no placeholders, ascending
}

// load reads a secret's state. Absence is no error: see state.visible.
func (s *Store) load(ctx context.Context, at place) (*state, error) {
	for range 5 {
		st := &state{place: at}
		err := s.client.read(ctx, s.mount+"/metadata/"+at.path, nil, &st.metadata)
		if errors.Is(err, secret.NotFound) {
			return st, nil
		}
		if err != nil {
			return nil, err
		}
		st.exists = true
		if err := st.parseHead(); err != nil {
			return nil, err
		}
		if st.head.More {
			if st.more, err = s.readCompanion(ctx, st); err != nil {
				return nil, err
			}
			same, err := s.unchanged(ctx, st)
			if err != nil {
				return nil, err
			}
			if !same { // another gateway wrote between the two reads
				continue
			}
			if err := st.mergeHead(); err != nil {
				return nil, err
			}
		}
		st.numbers = st.number()
		return st, nil
	}
	return nil, secret.Errorf(secret.Conflict, "the secret keeps changing while it is read")
}

func (s *Store) unchanged(ctx context.Context, st *state) (bool, error) {
	var now metadata
	err := s.client.read(ctx, s.mount+"/metadata/"+st.path, nil, &now)
	return err == nil && now.Current == st.Current && maps.Equal(now.Custom, st.Custom), err
}

var errForeign = secret.Errorf(secret.Internal, "custom_metadata under vaultferry is not what the gateway writes")

func (st *state) parseHead() error {
	if s, ok := st.Custom[headKey]; ok && json.Unmarshal([]byte(s), &st.head) != nil {
		return errForeign
	}
	return nil
}

// mergeHead fills the rest of the head from the companion.
func (st *state) mergeHead() error {
	s, ok := st.more.entries[headKey]
	if !st.head.Rest {
		return nil
	}
	if !ok {
		return errForeign
	}
	core := st.head
	st.head = head{}
	if json.Unmarshal([]byte(s), &st.head) != nil {
		return errForeign
	}
	st.head.over(core)
	return nil
}

func (st *state) number() []int64 {
	var out []int64
	for k := range st.Versions {
		n, err := strconv.ParseInt(k, 10, 64)
		if err == nil && !st.head.placeholder(n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// unfinished reports whether an import is not done.
func (st *state) unfinished() bool { return st.Custom[markerKey] != "" }

// visible refuses what a reader must not see.
func (st *state) visible() error {
	if !st.exists || len(st.numbers) == 0 || st.unfinished() {
		return &secret.Error{Kind: secret.NotFound}
	}
	return nil
}

// roles are what the head says, carried on over what was written since.
func (st *state) roles() (current, previous secret.Ordinal) {
	n := len(st.numbers)
	if n == 0 {
		return 0, 0
	}
	newest := st.numbers[n-1]
	if newest <= st.head.At {
		return st.present(st.head.Current), st.present(st.head.Previous)
	}
	current, previous = st.head.ordinal(newest), st.present(st.head.Current)
	if n > 1 && st.numbers[n-2] > st.head.At {
		previous = st.head.ordinal(st.numbers[n-2])
	}
	return current, previous
}

// present returns o, or zero where no such version is left.
func (st *state) present(o secret.Ordinal) secret.Ordinal {
	if st.numberOf(o) == 0 {
		return 0
	}
	return o
}

// numberOf returns the product's number of an ordinal, or zero.
func (st *state) numberOf(o secret.Ordinal) int64 {
	i, ok := slices.BinarySearchFunc(st.numbers, o, func(n int64, o secret.Ordinal) int {
		return int(min(max(st.head.ordinal(n)-o, -1), 1))
	})
	if !ok || o == 0 {
		return 0
	}
	return st.numbers[i]
}

// record returns what is kept of a version. What stands in custom_metadata is
// newer than what the companion says.
func (st *state) record(number int64) (record, bool, error) {
	s, ok := st.Custom[keyOf(number)]
	if !ok {
		s, ok = st.more.entries[keyOf(number)]
	}
	var r record
	if ok && json.Unmarshal([]byte(s), &r) != nil {
		return r, false, errForeign
	}
	return r, ok, nil
}

// version returns one version without its value.
func (s *Store) version(st *state, number int64) (secret.Version, error) {
	fact := st.Versions[strconv.FormatInt(number, 10)]
	v := secret.Version{
		Ordinal: st.head.ordinal(number), UID: s.derive(st.place, number, fact.Created),
		Created: fact.Created, Updated: fact.Created, Missing: fact.missing(s.now()),
	}
	r, ok, err := st.record(number)
	if ok {
		r.fill(&v)
	}
	for label, holder := range st.head.Stages {
		if holder == number {
			v.Stages = append(v.Stages, label)
		}
	}
	slices.Sort(v.Stages)
	return v, err
}

func (s *Store) derive(at place, number int64, created time.Time) secret.UID {
	return secret.DeriveUID(s.store, s.mount+"/"+at.path, strconv.FormatInt(number, 10), created)
}

// secret returns the secret with all versions, without values.
func (s *Store) secret(st *state, name secret.Name) (*secret.Secret, error) {
	out := &secret.Secret{
		Name: name, Description: st.head.Text, Tags: maps.Clone(st.head.Tags), Extra: extraJSON(st.head.Extra),
		Created: st.head.Created.Time, Updated: st.head.Updated.Time,
	}
	out.Current, out.Previous = st.roles()
	for _, number := range st.numbers {
		v, err := s.version(st, number)
		if err != nil {
			return nil, err
		}
		out.Versions = append(out.Versions, v)
	}
	if out.Created.IsZero() {
		out.Created = st.born(out.Versions)
	}
	if last := out.Newest(); last != nil && (out.Updated.IsZero() || st.numbers[len(st.numbers)-1] > st.head.At && last.Created.After(out.Updated)) {
		out.Updated = last.Created
	}
	return out, nil
}

// born is when the first version was made; once that was pruned, when the key
// was.
func (st *state) born(vs []secret.Version) time.Time {
	if len(st.numbers) > 0 && st.numbers[0] == 1 {
		return vs[0].Created
	}
	return st.Made
}
