package sidecar

import (
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
	return []byte(base64.RawURLEncoding.EncodeToString(u[:])), nil
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
	b := strconv.AppendInt(nil, s.Unix(), 10)
	if ns := s.Nanosecond(); ns != 0 {
		fraction := strconv.Itoa(1e9 + ns)[1:]
		b = append(append(b, '.'), strings.TrimRight(fraction, "0")...)
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
		if ns, err = strconv.ParseInt(fraction+strings.Repeat("0", 9-len(fraction)), 10, 64); err != nil || ns < 0 {
			return errors.New("not a time")
		}
	}
	s.Time = time.Unix(sec, ns).UTC()
	return nil
}

// Members is a secret.Extra that may be encoded. Danger: unlike one it prints.
type Members map[string]json.RawMessage
