package kv2

import (
	"context"
	"errors"
	"maps"
	"math"
	"net/url"
	"strconv"
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/secret"
)

// dataAnswer is what the engine tells of one version.
type dataAnswer[T any] struct {
	Data     T            `json:"data"`
	Metadata dataMetadata `json:"metadata"`
}

type dataMetadata struct {
	Version   int64             `json:"version"`
	Created   time.Time         `json:"created_time"`
	Deletion  string            `json:"deletion_time"`
	Destroyed bool              `json:"destroyed"`
	Custom    map[string]string `json:"custom_metadata"`
}

// readData reads one version; number zero is the newest.
func (s *Store) readData(ctx context.Context, path string, number int64) (*dataAnswer[connection.Raw], error) {
	var query url.Values
	if number > 0 {
		query = url.Values{"version": {strconv.FormatInt(number, 10)}}
	}
	got := new(dataAnswer[connection.Raw])
	return got, s.Read(ctx, "/data/"+path, query, got)
}

// writeData adds a version if the newest is still number cas.
func (s *Store) writeData(ctx context.Context, path string, data []byte, cas int64) (*dataMetadata, error) {
	body := make([]byte, 0, len(data)+48)
	body = append(body, `{"options":{"cas":`...)
	body = strconv.AppendInt(body, cas, 10)
	body = append(body, `},"data":`...)
	body = append(body, data...)
	body = append(body, '}')
	got := new(dataMetadata)
	err := s.Write(ctx, "/data/"+path, body, got)
	if err == nil && got.Version != cas+1 {
		err = &secret.Error{Kind: secret.Unknown, Detail: "Vault answered with another version than was written"}
	}
	return got, err
}

// destroy erases versions for good; their numbers stay taken.
func (s *Store) destroy(ctx context.Context, path string, numbers []int64) error {
	if len(numbers) == 0 {
		return nil
	}
	return s.Write(ctx, "/destroy/"+path, connection.Marshal(map[string]any{"versions": numbers}), nil)
}

// patchCustom merges into custom_metadata; a nil removes the key.
func (s *Store) patchCustom(ctx context.Context, path string, custom map[string]any) error {
	return s.patchMetadata(ctx, path, custom, nil)
}

// patchMetadata changes settings of the key as well.
func (s *Store) patchMetadata(ctx context.Context, path string, custom, settings map[string]any) error {
	body := maps.Clone(settings)
	if len(custom) > 0 {
		if body == nil {
			body = map[string]any{}
		}
		body["custom_metadata"] = custom
	}
	if len(body) == 0 {
		return nil
	}
	return s.Patch(ctx, "/metadata/"+path, connection.Marshal(body))
}

// fewest is what a secret of ours keeps at least. The product's own default
// is ten, and then it drops the oldest without a word. Where it is not enough
// it is doubled. Nobody else sets such a number: it says that it is ours.
const (
	fewest   = 1001
	mostRoom = math.MaxUint32 // beyond, the product wraps around
)

// raised reports whether a limit is one that makeRoom set.
func raised(limit int64) bool {
	n := limit / fewest
	return n > 0 && limit%fewest == 0 && n&(n-1) == 0
}

// makeRoom raises max_versions where one more version would push out an old
// one, and makes the key if there is none. It never lowers.
func (s *Store) makeRoom(ctx context.Context, st *state, more int64) error {
	need := more
	for k := range st.Versions {
		if n, err := strconv.ParseInt(k, 10, 64); err == nil {
			need = max(need, st.Current-n+1+more)
		}
	}
	if st.exists && st.Max >= need {
		return nil
	}
	room := int64(fewest)
	for room < need {
		room *= 2
	}
	if room > mostRoom {
		return secret.Errorf(secret.TooLarge, "the secret has too many versions")
	}
	err := s.Write(ctx, "/metadata/"+st.Path, connection.Marshal(map[string]any{"max_versions": room}), nil)
	if err == nil {
		st.Max = room
	}
	return err
}

// makeKey makes the key that a PATCH needs, and leaves its limit to the mount. Of
// a request that sets nothing Vault makes no key.
func (s *Store) makeKey(ctx context.Context, st *state) error {
	return s.Write(ctx, "/metadata/"+st.Path, connection.Marshal(map[string]any{"max_versions": 0}), nil)
}

var errVanished = errors.New("a version went away while it was read")

// value reads the value of v, which has the number, into v. A version that
// native tools took away in this moment says so.
func (s *Store) value(ctx context.Context, st *state, number int64, v *secret.Version, got *dataAnswer[connection.Raw]) error {
	if v.Missing != "" {
		return nil
	}
	if got == nil || got.Metadata.Version != number {
		var err error
		if got, err = s.readData(ctx, st.Path, number); errors.Is(err, secret.NotFound) {
			return errVanished
		} else if err != nil {
			return err
		}
	}
	if m := &got.Metadata; got.Data.IsNull() && (m.Destroyed || m.Deletion != "") {
		if m.Custom[trashKey] != "" { // the whole secret went, not a version
			return &secret.Error{Kind: secret.NotFound}
		}
		if v.Missing = secret.Deleted; m.Destroyed {
			v.Missing = secret.Destroyed
		}
		return nil
	}
	e, marked, err := st.entryOf(number)
	if err != nil {
		return err
	}
	value, contentType, err := connection.DecodeValue(s.Field, got.Data, e.Form)
	if err != nil {
		return err
	}
	if v.Value = value; !marked {
		v.ContentType = contentType
	}
	return nil
}
