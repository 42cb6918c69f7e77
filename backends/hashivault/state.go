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
	Lasting  string                 `json:"delete_version_after"` // a duration; zero: as the mount says
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
	foreign error // the head is not what the gateway writes; then it is empty
	more    companion
	numbers []int64 // the versions that are no placeholders, ascending
}

// fact is what the product says of a version.
func (st *state) fact(number int64) *versionFact {
	f := st.Versions[strconv.FormatInt(number, 10)]
	return &f
}

// grow makes the state that of the product after a version was written, or
// changed.
func (st *state) grow(number int64, f versionFact) {
	if st.Versions == nil {
		st.Versions = map[string]versionFact{}
	}
	st.exists, st.Current = true, max(st.Current, number)
	st.Versions[strconv.FormatInt(number, 10)] = f
}

// load reads a secret's state. Absence is no error: see state.visible.
func (s *Store) load(ctx context.Context, at place) (*state, error) {
	return s.loadChecked(ctx, at, s.unchanged)
}

// loadToRead is load for who is going to read the newest value: that read tells,
// too, whether the secret has changed, and costs less than its whole metadata
// does. It is nil where nothing had to be checked.
func (s *Store) loadToRead(ctx context.Context, at place) (*state, *dataAnswer[member], error) {
	var newest *dataAnswer[member]
	st, err := s.loadChecked(ctx, at, func(ctx context.Context, st *state) (bool, error) {
		if st.Current == 0 {
			return s.unchanged(ctx, st)
		}
		got, err := s.readData(ctx, at.path, 0)
		if errors.Is(err, secret.NotFound) {
			return false, nil
		}
		newest = got
		return err == nil && got.Metadata.Version == st.Current && maps.Equal(got.Metadata.Custom, st.Custom), err
	})
	return st, newest, err
}

// loadChecked asks unchanged where the state took more than one read.
func (s *Store) loadChecked(ctx context.Context, at place, unchanged func(context.Context, *state) (bool, error)) (*state, error) {
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
		st.foreign = st.parseHead()
		if st.foreign == nil && st.head.More {
			if st.more, err = s.readCompanion(ctx, st); err != nil {
				return nil, err
			}
			same, err := unchanged(ctx, st)
			if err != nil {
				return nil, err
			}
			if !same { // another gateway wrote between the two reads
				continue
			}
			st.foreign = st.mergeHead()
		}
		if st.foreign != nil {
			st.head = head{}
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

// errForeign is of a secret whose attributes other tools changed or took away.
// Its values are not given out: nobody knows whether they are disabled.
func errForeign(key string) error {
	return secret.Errorf(secret.Conflict, "other tools changed what the gateway keeps of this secret in Vault, under %s: put it back, or remove it and with it the attributes", key)
}

func (st *state) parseHead() error {
	s, ok := st.Custom[headKey]
	if ok && (json.Unmarshal([]byte(s), &st.head) != nil || !st.head.sound()) {
		return errForeign("custom_metadata " + headKey)
	}
	return nil
}

// mergeHead fills the rest of the head from the companion.
func (st *state) mergeHead() error {
	switch {
	case !st.head.More:
		return nil
	case st.more.entries == nil:
		return errForeign(companionFolder + "/" + st.name)
	case !st.head.Rest:
		return nil
	}
	core := st.head
	st.head = head{}
	if json.Unmarshal([]byte(st.more.entries[headKey]), &st.head) != nil || !st.head.sound() {
		return errForeign(companionFolder + "/" + st.name)
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
	if !st.exists || len(st.numbers) == 0 || st.unfinished() || st.Custom[trashKey] != "" {
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

// record returns what is kept of a version. Of a write that was torn, or is
// not done, that is what it put down ahead; of several, a disabled one counts.
func (st *state) record(number int64) (record, bool, error) {
	if r, ok, err := st.entry(keyOf(number)); ok || err != nil {
		return r, ok, err
	}
	var found record
	keys := st.ahead(number)
	for _, k := range keys {
		r, _, err := st.entry(k)
		if err != nil {
			return record{}, false, err
		}
		if !found.Disabled {
			found = r
		}
	}
	return found, len(keys) > 0, nil
}

// entry decodes a record. What stands in custom_metadata is newer than what
// the companion says.
func (st *state) entry(key string) (record, bool, error) {
	s, ok := st.Custom[key]
	if !ok {
		s, ok = st.more.entries[key]
	}
	var r record
	if ok && (json.Unmarshal([]byte(s), &r) != nil || !r.sound()) {
		return record{}, false, errForeign("custom_metadata " + key)
	}
	return r, ok, nil
}

// version returns one version without its value. If what is kept of it is
// foreign, it passes for disabled.
func (s *Store) version(st *state, number int64) (secret.Version, error) {
	fact := st.fact(number)
	v := secret.Version{
		Ordinal: st.head.ordinal(number), UID: s.derive(st.place, number, fact.Created),
		Created: fact.Created, Updated: fact.Created, Missing: fact.missing(s.now()),
	}
	r, ok, err := st.record(number)
	if ok {
		r.fill(&v)
	}
	if err != nil {
		v.Disabled = true
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

// secret returns the secret with all versions, without values. The error says
// that some attributes are foreign; the secret is then as the others tell.
func (s *Store) secret(st *state, name secret.Name) (*secret.Secret, error) {
	foreign := st.foreign
	out := &secret.Secret{
		Name: name, Description: st.head.Text, Tags: maps.Clone(st.head.Tags), Extra: extraJSON(st.head.Extra),
		Created: st.head.Created.Time, Updated: st.head.Updated.Time,
	}
	out.Current, out.Previous = st.roles()
	for _, number := range st.numbers {
		v, err := s.version(st, number)
		if err != nil {
			foreign = err
		}
		out.Versions = append(out.Versions, v)
	}
	if out.Created.IsZero() {
		out.Created = st.born(out.Versions)
	}
	if last := out.Newest(); last != nil && (out.Updated.IsZero() || st.numbers[len(st.numbers)-1] > st.head.At && last.Created.After(out.Updated)) {
		out.Updated = last.Created
	}
	return out, foreign
}

// born is when the first version was made; once that was pruned, when the key
// was.
func (st *state) born(vs []secret.Version) time.Time {
	if len(st.numbers) > 0 && st.numbers[0] == 1 {
		return vs[0].Created
	}
	return st.Made
}
