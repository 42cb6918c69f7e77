// Package pages reads the project's pages for tests that do what they tell.
package pages

import "strings"

// Block is a fenced block of a page.
type Block struct {
	Title string // of the part of the page in which it stands
	Kind  string // what follows the fence, as sh; empty: nothing
	Text  string // its lines
}

const fence = "```"

// Blocks are the fenced blocks of a page, in its order.
func Blocks(page string) []Block {
	var all []Block
	b, within := Block{}, false
	for line := range strings.Lines(page) {
		kind, fenced := strings.CutPrefix(strings.TrimSpace(line), fence)
		switch {
		case fenced && within:
			all = append(all, b)
			within = false
		case fenced:
			b.Kind, b.Text, within = kind, "", true
		case within:
			b.Text += line
		case strings.HasPrefix(line, "#"):
			b.Title = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	return all
}

// First is the text of the first block of the kind.
func First(page, kind string) (text string, ok bool) {
	for _, b := range Blocks(page) {
		if b.Kind == kind {
			return b.Text, true
		}
	}
	return "", false
}

// Spans are what stands between backticks outside of blocks.
func Spans(page string) []string {
	var spans []string
	within := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(strings.TrimSpace(line), fence) {
			within = !within
			continue
		}
		if within {
			continue
		}
		for i, span := range strings.Split(line, "`") {
			if i%2 == 1 {
				spans = append(spans, span)
			}
		}
	}
	return spans
}
