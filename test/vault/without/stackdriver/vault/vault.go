// Package vault stands in for how Vault's metrics are named there.
package vault

import "github.com/armon/go-metrics"

func Extractor(key []string, _ string) ([]string, []metrics.Label, error) { return key, nil, nil }

func Bucketer([]string) []float64 { return nil }
