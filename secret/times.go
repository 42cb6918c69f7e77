package secret

import (
	"math"
	"time"
)

// A zero time is unset, and it is also the first instant of the year 1; a blob
// says no year after 9999. So a product's or a client's time at or before that
// instant is First, a nanosecond after it, and one beyond the year 9999 is Last.
// Whole seconds of First are those of the year 1's beginning, to the second.
var (
	First = time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC)
	Last  = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
)

// The ends of whole seconds since 1970 that the model holds to the second.
const (
	MinSecond = -62_135_596_800
	MaxSecond = 253_402_300_799
)

// AtSecond is the time of whole seconds since 1970. It is never unset.
func AtSecond(s int64) time.Time {
	switch {
	case s <= MinSecond:
		return First
	case s > MaxSecond:
		return Last
	}
	return time.Unix(s, 0).UTC()
}

// Held is t, which is set, as the model can say it.
func Held(t time.Time) time.Time {
	switch {
	case !t.After(First):
		return First
	case t.After(Last):
		return Last
	}
	return t.UTC()
}

// AtFraction is AtSecond of seconds with a fraction, which is cut off.
func AtFraction(s float64) time.Time {
	switch {
	case s < MinSecond:
		return First
	case s > MaxSecond+1:
		return Last
	}
	return AtSecond(int64(math.Floor(s)))
}

// HasFraction reports whether t is lost in part where a product keeps whole
// seconds.
func HasFraction(t time.Time) bool { return t.Nanosecond() != 0 && !t.Equal(First) }

// CutFraction is t as such a product keeps it. A time that is set stays so.
func CutFraction(t time.Time) time.Time {
	if !HasFraction(t) {
		return t
	}
	return t.Truncate(time.Second)
}
