package main

import (
	"reflect"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/config"
)

// TestParts: a reload compares every section of the configuration, so that none
// changes unsaid.
func TestParts(t *testing.T) {
	t.Parallel()
	compared := []string{"gateway", "keyring", "stores", "callers_file"}
	for _, p := range parts() {
		compared = append(compared, p.key)
	}
	for f := range reflect.TypeFor[config.Config]().Fields() {
		if key := f.Tag.Get("mapstructure"); f.IsExported() && !slices.Contains(compared, key) {
			t.Errorf("nothing tells whether %s has changed", key)
		}
	}
}
