package sidecar

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// UID is a UID that is written in 22 characters, where a product has
// little room.
type UID secret.UID

// MarshalText implements encoding.TextMarshaler.
func (u UID) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, u[:]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *UID) UnmarshalText(b []byte) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(string(b))
	if err != nil || len(raw) != len(u) {
		return errors.New("not a UID")
	}
	copy(u[:], raw)
	return nil
}

// Time is a time that is written as Unix seconds with as much fraction
// as it has, so that people who look with native tools can read it.
type Time struct{ time.Time }

// MarshalJSON implements json.Marshaler.
func (s Time) MarshalJSON() ([]byte, error) {
	b := strconv.AppendInt(make([]byte, 0, 24), s.Unix(), 10)
	if ns := s.Nanosecond(); ns != 0 {
		point := len(b)
		b = bytes.TrimRight(strconv.AppendInt(b, int64(1e9+ns), 10), "0")
		b[point] = '.' // in place of the 1
	}
	return b, nil
}

// MaxTime keeps times within what other products can say: year 9999.
const MaxTime = 253402300799

// UnmarshalJSON implements json.Unmarshaler.
func (s *Time) UnmarshalJSON(b []byte) error {
	whole, fraction, _ := strings.Cut(string(b), ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || sec > MaxTime || sec < -MaxTime || len(fraction) > 9 {
		return errors.New("not a time")
	}
	var ns int64
	if fraction != "" {
		if ns, err = strconv.ParseInt(fraction, 10, 64); err != nil || ns < 0 {
			return errors.New("not a time")
		}
		for range 9 - len(fraction) {
			ns *= 10
		}
	}
	s.Time = time.Unix(sec, ns).UTC()
	return nil
}

// Members is a secret.Extra that may be encoded. Danger: unlike one it prints.
type Members map[string]json.RawMessage
