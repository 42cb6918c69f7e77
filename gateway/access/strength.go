package access

import (
	"bytes"
	"math"
)

// StrongBits is from how many bits on nobody guesses a secret, however often
// and from wherever he tries.
const StrongBits = 128

// Strong reports whether text is such a secret, as far as can be seen.
func Strong(text []byte) bool { return Bits(text) >= StrongBits }

// Bits is how many bits a secret has that was made at random over the alphabet
// which it shows: hex digits, one case of letters, and so on. It is a bound
// from above, so it is careful where something is no random text: what repeats
// itself counts once, separators do not count, and words are worth little.
func Bits(text []byte) int {
	text = bytes.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r == ' ' || r == ':' {
			return -1
		}
		return r
	}, text)
	text = text[:period(text)]
	a := alphabetOf(text)
	if a.distinct < 8 { // of 32 random hex digits, 8 or fewer are one in a billion
		return a.distinct
	}
	each := math.Log2(float64(a.size))
	if a.size == hexDigits || a.changes*4 >= len(text) {
		return int(each * float64(len(text)))
	}
	return int(each*float64(len(text)-a.inWords) + inWord*float64(a.inWords))
}

const (
	hexDigits = 16
	inWord    = 2 // bits of a letter of a word, rather too many
)

// alphabet is what a text shows of how it was made.
type alphabet struct {
	size     int // of the alphabet
	distinct int // characters
	changes  int // between letters of one case, digits and others; a capital letter before small ones is none
	inWords  int // letters behind three others
}

type class uint8

const (
	digit class = iota
	lower
	upper
	other
)

func classOf(c byte) class {
	switch {
	case '0' <= c && c <= '9':
		return digit
	case 'a' <= c && c <= 'z':
		return lower
	case 'A' <= c && c <= 'Z':
		return upper
	}
	return other
}

func alphabetOf(text []byte) alphabet {
	var a alphabet
	var has [other + 1]bool
	var seen [256]bool
	hex, run := true, 0
	for i, c := range text {
		k := classOf(c)
		has[k] = true
		if !seen[c] {
			seen[c] = true
			a.distinct++
		}
		hex = hex && (k == digit || 'a' <= c|0x20 && c|0x20 <= 'f')
		if i > 0 && k != classOf(text[i-1]) && (k != lower || classOf(text[i-1]) != upper) {
			a.changes++
		}
		if run++; k != lower && k != upper {
			run = 0
		}
		if run > 3 {
			a.inWords++
		}
	}
	for k, n := range map[class]int{digit: 10, lower: 26, upper: 26, other: 32} {
		if has[k] {
			a.size += n
		}
	}
	if hex && a.size > 10 && (!has[lower] || !has[upper]) {
		a.size = hexDigits
	}
	return a
}

// period is after how many bytes text begins to repeat itself.
func period(text []byte) int {
	for n := 1; n <= len(text)/2; n++ {
		if bytes.Equal(text[n:], text[:len(text)-n]) {
			return n
		}
	}
	return len(text)
}
