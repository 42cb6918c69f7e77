package main

import "strings"

// parsePairs reads what a flag such as --tag was given, each KEY=VALUE. Nil: it
// was not given. Errors repeat nothing that may be a value.
func parsePairs(flag string, all []string) (map[string]string, error) {
	var pairs map[string]string
	for _, one := range all {
		key, value, ok := strings.Cut(one, "=")
		if !ok || key == "" {
			return nil, usagef("%s is KEY=VALUE", flag)
		}
		if _, twice := pairs[key]; twice {
			return nil, usagef("%s names one KEY twice", flag)
		}
		if pairs == nil {
			pairs = map[string]string{}
		}
		pairs[key] = value
	}
	return pairs, nil
}
