package kv2

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// metadata is what the product itself tells of a secret.
type metadata struct {
	Made     time.Time              `json:"created_time"`
	Current  int64                  `json:"current_version"`
	Max      int64                  `json:"max_versions"`
	CAS      bool                   `json:"cas_required"`
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
	if at := f.deletion(); !at.IsZero() && !at.After(now) {
		return secret.Deleted
	}
	return ""
}

// deletion is when the product deleted the version, or is going to. Zero: it does
// not.
func (f *versionFact) deletion() time.Time {
	at, _ := time.Parse(time.RFC3339Nano, f.Deletion)
	return at
}

// state is everything known of one secret at one moment.
type state struct {
	connection.Location
	metadata
	name    secret.Name
	exists  bool // a key is there, perhaps without a version
	head    headEntry
	foreign error // the head is not what the gateway writes; then it is empty
	more    companion
	numbers []int64 // the versions that are no placeholders, ascending
	// decoded are entries by their text. Whoever reads values at once has looked
	// at all versions before, so that nothing comes to it then.
	decoded map[string]sidecar.Version
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
func (s *Store) load(ctx context.Context, at connection.Location, name secret.Name) (*state, error) {
	return s.loadChecked(ctx, at, name, s.unchanged)
}

// loadToRead is load for who is going to read the newest value: that read tells,
// too, whether the secret has changed, and costs less than its whole metadata
// does. It is nil where nothing had to be checked.
func (s *Store) loadToRead(ctx context.Context, at connection.Location, name secret.Name) (*state, *dataAnswer[connection.Raw], error) {
	var newest *dataAnswer[connection.Raw]
	st, err := s.loadChecked(ctx, at, name, func(ctx context.Context, st *state) (bool, error) {
		if st.Current == 0 {
			return s.unchanged(ctx, st)
		}
		got, err := s.readData(ctx, at.Path, 0)
		if errors.Is(err, secret.NotFound) {
			return false, nil
		}
		newest = got
		return err == nil && got.Metadata.Version == st.Current && maps.Equal(got.Metadata.Custom, st.Custom), err
	})
	return st, newest, err
}

// loadChecked asks unchanged where the state took more than one read.
func (s *Store) loadChecked(ctx context.Context, at connection.Location, name secret.Name, unchanged func(context.Context, *state) (bool, error)) (*state, error) {
	for range 5 {
		st := &state{Location: at, name: name}
		err := s.Read(ctx, "/metadata/"+at.Path, nil, &st.metadata)
		if errors.Is(err, secret.NotFound) {
			return st, nil
		}
		if err != nil {
			return nil, err
		}
		st.exists = true
		st.foreign = st.parseHead()
		if st.foreign == nil && st.head.More {
			if st.more, err = s.readCompanion(ctx, at); err != nil {
				return nil, err
			}
			same, err := unchanged(ctx, st)
			if err != nil {
				return nil, err
			}
			if !same { // another gateway wrote between the two reads
				continue
			}
			st.foreign = st.mergeCompanion()
		}
		st.numbers = st.listNumbers()
		return st, nil
	}
	return nil, secret.Errorf(secret.Conflict, "the secret keeps changing while it is read")
}

func (s *Store) unchanged(ctx context.Context, st *state) (bool, error) {
	var now metadata
	err := s.Read(ctx, "/metadata/"+st.Path, nil, &now)
	return err == nil && now.Current == st.Current && maps.Equal(now.Custom, st.Custom), err
}

// errForeign is of a secret whose attributes other tools changed or took away.
// Its values are not given out: nobody knows whether they are disabled.
func errForeign(key string) error {
	return secret.Errorf(secret.Conflict, "other tools changed what the gateway keeps of this secret in Vault, under %s: put it back, or remove it and with it the attributes", key)
}

func (st *state) parseHead() error {
	st.head = headEntry{}
	if text, ok := st.Custom[headKey]; ok && sidecar.Decode(text, sidecar.ASCII, &st.head) != nil {
		st.head = headEntry{}
		return errForeign("custom_metadata " + headKey)
	}
	return st.hideOpened()
}

// mergeCompanion fills the rest of the head from the companion that was read,
// if that is the secret's own.
func (st *state) mergeCompanion() error {
	st.more.disown(st.incarnation())
	short := st.head
	switch {
	case !short.More:
		return nil
	case st.more.entries == nil:
		st.head = headEntry{}
		return errForeign(connection.CompanionFolder + "/" + st.Wire)
	case !short.Rest:
		return nil
	}
	st.head = headEntry{}
	if sidecar.Decode(st.more.entries[headKey], sidecar.ASCII, &st.head) != nil {
		st.head = headEntry{}
		return errForeign(connection.CompanionFolder + "/" + st.Wire)
	}
	st.head.Roles, st.head.At, st.head.Will, st.head.More, st.head.Rest = short.Roles, short.At, short.Will, true, true
	return nil
}

func (st *state) listNumbers() []int64 {
	var out []int64
	for k := range st.Versions {
		n, err := strconv.ParseInt(k, 10, 64)
		if err == nil && !st.head.isPlaceholder(n) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// unfinished reports whether an import is not done.
func (st *state) unfinished() bool { return st.Custom[importKey] != "" }

// visible refuses what a reader must not see.
func (st *state) visible() error {
	switch {
	case st.unfinished():
		return secret.Errorf(secret.NotFound, detailUnfinished)
	case st.bare():
		return secret.Errorf(secret.NotFound, bareKey)
	case !st.exists, len(st.numbers) == 0, st.Custom[trashKey] != "":
		return &secret.Error{Kind: secret.NotFound}
	}
	return nil
}

// bare reports whether native tools have set something of a key without a
// version. Of an import or a write that failed there may be a bare key, too, but
// nothing of theirs is in it.
func (st *state) bare() bool {
	if !st.exists || len(st.Versions) > 0 || st.unfinished() || st.Custom[trashKey] != "" {
		return false
	}
	for k := range st.Custom {
		if !ours(k) {
			return true
		}
	}
	return len(st.settings()) > 0
}

// roles are what the head says, carried on over what was written since.
func (st *state) roles() (current, previous secret.Ordinal) {
	n := len(st.numbers)
	if n == 0 {
		return 0, 0
	}
	var kept sidecar.Roles
	if st.head.Roles != nil {
		kept = *st.head.Roles
	}
	newest := st.numbers[n-1]
	if st.head.Will != nil && newest >= st.head.At {
		kept = *st.head.Will
	}
	if newest <= st.head.At {
		return st.present(kept.Current), st.present(kept.Previous)
	}
	current, previous = st.head.Shifts.Ordinal(newest), st.present(kept.Current)
	if n > 1 && st.numbers[n-2] > st.head.At {
		previous = st.head.Shifts.Ordinal(st.numbers[n-2])
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
		return int(min(max(st.head.Shifts.Ordinal(n)-o, -1), 1))
	})
	if !ok || o == 0 {
		return 0
	}
	return st.numbers[i]
}
