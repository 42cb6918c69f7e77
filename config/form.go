package config

import "regexp"

// form is how a name is written. Its length stands beside the pattern: a regular
// expression that counts is compiled into as many copies of what it repeats, some
// 50 KB for a name, which a gateway would hold for as long as it runs.
type form struct {
	least, most int
	pattern     *regexp.Regexp
}

// MatchString reports whether s is written so.
func (f form) MatchString(s string) bool {
	return len(s) >= f.least && len(s) <= f.most && f.pattern.MatchString(s)
}
