package audit

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// A line is written in two parts: its body, by whoever has the entry, and what
// stands before it, by the one whose turn it is to write. Both are what
// encoding/json makes of an Entry, without reflection: this is on the way of
// every request.

// appendHead begins the line that comes next.
func appendHead(b []byte, at *link, t time.Time) []byte {
	b = append(b, `{"v":1,"chain":"`...)
	b = hex.AppendEncode(b, at.sum[:])
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, at.seq+1, 10)
	b = append(b, `,"time":"`...)
	b = t.AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

// appendBody is everything behind the time, and the line's end.
func appendBody(b []byte, e *Entry) []byte {
	e.bound()
	b = appendText(b, `,"phase":`, e.Phase)
	b = appendText(b, `,"request_id":`, e.RequestID)
	b = appendText(b, `,"caller":`, e.Caller)
	b = appendSome(b, `,"credential":`, e.Credential)
	b = appendSome(b, `,"address":`, e.Address)
	b = appendText(b, `,"via":`, e.Via)
	b = appendText(b, `,"op":`, e.Op)
	b = appendText(b, `,"action":`, e.Action)
	b = appendSome(b, `,"store":`, e.Store)
	b = appendSome(b, `,"name":`, e.Name)
	b = appendSome(b, `,"event":`, e.Event)
	b = appendVersions(b, e.Versions)
	b = strconv.AppendInt(append(b, `,"backend_ops":`...), e.BackendOps, 10)
	b = appendSome(b, `,"result":`, e.Result)
	b = appendSome(b, `,"reason":`, e.Reason)
	b = appendLosses(b, e.Losses)
	b = appendSome(b, `,"archive":`, e.Archive)
	b = strconv.AppendFloat(append(b, `,"duration_ms":`...), e.DurationMS, 'f', -1, 64)
	if e.Origin != nil {
		b = appendText(b, `,"origin":{"gateway":`, e.Origin.Gateway)
		b = appendText(b, `,"store":`, e.Origin.Store)
		b = append(appendText(b, `,"name":`, e.Origin.Name), '}')
	}
	if e.DryRun {
		b = append(b, `,"dry_run":true`...)
	}
	b = appendSome(b, `,"form":`, e.Form)
	return append(appendRare(b, e), '}', '\n')
}

// appendRare is what few lines have.
func appendRare(b []byte, e *Entry) []byte {
	if e.VersionsRest != nil {
		b = appendJSON(b, `,"versions_rest":`, e.VersionsRest)
	}
	if e.LossesRest != nil {
		b = appendJSON(b, `,"losses_rest":`, e.LossesRest)
	}
	b = appendSome(b, `,"file":`, e.File)
	b = appendSome(b, `,"digest":`, e.Digest)
	b = appendSome(b, `,"key":`, e.Key)
	if e.Tally != nil {
		b = appendJSON(b, `,"tally":`, e.Tally)
	}
	if e.Tree != nil {
		b = appendJSON(b, `,"tree":`, e.Tree)
	}
	if e.Checkpoint != nil {
		b = appendJSON(b, `,"checkpoint":`, e.Checkpoint)
	}
	return b
}

// appendJSON is for structs of ours that hold text, numbers and times: they
// always marshal.
func appendJSON(b []byte, key string, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte("null")
	}
	return append(append(b, key...), text...)
}

func appendVersions(b []byte, versions []int64) []byte {
	if len(versions) == 0 {
		return b
	}
	sep := `,"versions":[`
	for _, v := range versions {
		b = strconv.AppendInt(append(b, sep...), v, 10)
		sep = ","
	}
	return append(b, ']')
}

func appendLosses(b []byte, losses []string) []byte {
	if len(losses) == 0 {
		return b
	}
	sep := `,"losses":[`
	for _, l := range losses {
		b = appendText(b, sep, l)
		sep = ","
	}
	return append(b, ']')
}

func appendSome(b []byte, key, s string) []byte {
	if s == "" {
		return b
	}
	return appendText(b, key, s)
}

// appendText is a key and a string of JSON. What a terminal would act upon is
// escaped: control characters, and those that turn the direction of text.
func appendText(b []byte, key, s string) []byte {
	b = append(append(b, key...), '"')
	s = clip(s)
	done := 0
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if plain[c] {
				i++
				continue
			}
			b = appendUnit(append(b, s[done:i]...), rune(c))
			i++
			done = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if (r == utf8.RuneError && size == 1) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			b = appendRune(append(b, s[done:i]...), r)
			done = i + size
		}
		i += size
	}
	return append(append(b, s[done:]...), '"')
}

// plain is what stands in a string as it is.
var plain = func() (p [utf8.RuneSelf]bool) {
	for c := range p {
		switch c {
		case '"', '\\', '<', '>', '&', 0x7f:
		default:
			p[c] = c >= ' '
		}
	}
	return p
}()

func appendRune(b []byte, r rune) []byte {
	if r < 0x10000 {
		return appendUnit(b, r)
	}
	r -= 0x10000
	return appendUnit(appendUnit(b, 0xd800+r>>10), 0xdc00+r&0x3ff)
}

func appendUnit(b []byte, r rune) []byte {
	if r == '"' || r == '\\' {
		return append(b, '\\', byte(r))
	}
	const digits = "0123456789abcdef"
	return append(b, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
