package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of one line: what is longer is told by a Rest, or by a digest.
const (
	MaxVersions = 100
	MaxLosses   = 50
	maxText     = 2 << 10 // of one string
	maxRanges   = 50
)

// bound makes the entry one that any reader can hold.
func (e *Entry) bound() {
	if len(e.Versions) > MaxVersions && e.VersionsRest == nil {
		e.VersionsRest = versionsRest(e.Versions[MaxVersions:])
		e.Versions = e.Versions[:MaxVersions]
	}
	if len(e.Losses) > MaxLosses && e.LossesRest == nil {
		e.LossesRest = lossesRest(e.Losses[MaxLosses:])
		e.Losses = e.Losses[:MaxLosses]
	}
}

func versionsRest(rest []int64) *Rest {
	sum := sha256.New()
	var line []byte
	for _, v := range rest {
		line = append(strconv.AppendInt(line[:0], v, 10), '\n')
		sum.Write(line)
	}
	return &Rest{Count: len(rest), Ranges: ranges(rest), SHA256: hex.EncodeToString(sum.Sum(nil))}
}

// ranges is "1-3,7", or its beginning and "...".
func ranges(numbers []int64) string {
	numbers = slices.Clone(numbers)
	slices.Sort(numbers)
	var all []string
	for i := 0; i < len(numbers); {
		if len(all) == maxRanges {
			all = append(all, "...")
			break
		}
		last := i
		for last+1 < len(numbers) && numbers[last+1] <= numbers[last]+1 {
			last++
		}
		text := strconv.FormatInt(numbers[i], 10)
		if numbers[last] != numbers[i] {
			text += "-" + strconv.FormatInt(numbers[last], 10)
		}
		all = append(all, text)
		i = last + 1
	}
	return strings.Join(all, ",")
}

func lossesRest(rest []string) *Rest {
	sum := sha256.New()
	grades := map[string]int{}
	for _, l := range rest {
		sum.Write([]byte(l + "\n"))
		grade, _, ok := strings.Cut(l, ":")
		if !ok || len(grade) > 16 {
			grade = "other"
		}
		grades[grade]++
	}
	var words []string
	for g, n := range grades {
		words = append(words, fmt.Sprintf("%s %d", g, n))
	}
	slices.Sort(words)
	if len(words) > maxRanges {
		words = append(words[:maxRanges], "...")
	}
	return &Rest{Count: len(rest), Ranges: strings.Join(words, ", "), SHA256: hex.EncodeToString(sum.Sum(nil))}
}

// clip is the text, or its beginning and a digest of all of it.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	cut := maxText
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s... (%d bytes, sha256 %x)", s[:cut], len(s), sum)
}
