package kv2

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/secret"
)

// getCurrent reads the current version. The answer to a read of the newest
// value brings custom_metadata of the same moment along: most often that is all
// that there is to know, and there is one request. The secret is then without
// Previous and its times, which only the metadata tells.
//
// Where the head says that another version is current, that one is read as
// well. Where the version's entry, or the rest of the head, lies in the
// companion, that is read, and after it the metadata, which proves that nothing
// changed between.
func (s *Store) getCurrent(ctx context.Context, at connection.Location, name secret.Name) (*secret.Secret, error) {
	newest, err := s.readData(ctx, at.Path, 0)
	if err != nil {
		return nil, err
	}
	st := stateOf(at, name, newest)
	switch {
	case st.unfinished():
		return nil, secret.Errorf(secret.NotFound, detailUnfinished)
	case st.Custom[trashKey] != "":
		return nil, &secret.Error{Kind: secret.NotFound}
	case st.foreign != nil:
		return nil, st.foreign
	}
	number := st.currentNumber()
	switch _, kept := st.Custom[keyOf(number)]; {
	case number == 0: // nobody is current, or the head speaks of no version
		return s.get(ctx, at, name, secret.Current)
	case st.head.Rest, st.head.More && !kept:
		return s.getBeside(ctx, st, newest)
	case number == st.Current:
		return s.alone(ctx, st, number, newest)
	}
	got, err := s.readData(ctx, at.Path, number)
	switch {
	case err != nil && !errors.Is(err, secret.NotFound):
		return nil, err
	case err != nil, got.Data.IsNull(), !maps.Equal(got.Metadata.Custom, st.Custom): // it went, or another writer came
		return s.get(ctx, at, name, secret.Current)
	}
	return s.alone(ctx, stateOf(at, name, got), number, got)
}

// stateOf is the state that a read of one value tells: of its version alone.
func stateOf(at connection.Location, name secret.Name, got *dataAnswer[connection.Raw]) *state {
	m := &got.Metadata
	st := &state{Location: at, name: name, exists: true}
	st.Custom = m.Custom
	st.grow(m.Version, versionFact{Created: m.Created, Deletion: m.Deletion, Destroyed: m.Destroyed})
	st.foreign = st.parseHead()
	return st
}

// currentNumber is that of the current version as far as the head and the number
// of the newest tell. Zero: they do not.
func (st *state) currentNumber() int64 {
	switch newest := st.Current; {
	case st.head.isPlaceholder(newest):
		return 0
	case newest > st.head.At:
		return newest
	}
	return st.head.Shifts.Number(st.head.Roles.Current)
}

// alone is the current version of a state that knows no other.
func (s *Store) alone(ctx context.Context, st *state, number int64, got *dataAnswer[connection.Raw]) (*secret.Secret, error) {
	v, err := s.version(st, number, st.labels())
	if err != nil {
		return nil, err
	}
	out := &secret.Secret{Name: st.name, Current: v.Ordinal, Versions: []secret.Version{v}}
	st.overlay(out)
	out.Created, out.Updated = time.Time{}, time.Time{}
	return out, s.value(ctx, st, number, &out.Versions[0], got)
}

// getBeside reads what custom_metadata does not tell.
func (s *Store) getBeside(ctx context.Context, seen *state, newest *dataAnswer[connection.Raw]) (*secret.Secret, error) {
	more, err := s.readCompanion(ctx, seen.Location)
	if err != nil {
		return nil, err
	}
	st := &state{Location: seen.Location, name: seen.name, exists: true, head: seen.head, more: more}
	err = s.Read(ctx, "/metadata/"+st.Path, nil, &st.metadata)
	if err != nil {
		return nil, err
	}
	if st.Current != seen.Current || !maps.Equal(st.Custom, seen.Custom) { // another gateway wrote between
		return s.get(ctx, st.Location, st.name, secret.Current)
	}
	if st.foreign = st.mergeCompanion(); st.foreign == nil {
		st.foreign = st.hideOpened()
	}
	st.numbers = st.listNumbers()
	return s.pick(ctx, st, secret.Current, newest)
}
