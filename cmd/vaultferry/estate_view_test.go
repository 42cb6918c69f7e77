package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"
)

// estateView is what Vault's own client sees of one key.
type estateView struct {
	Custom   map[string]string
	Settings string
	Versions map[int]string // the value as JSON, or deleted, or destroyed
	Pending  map[int]bool   // a deletion that is still to come
}

func viewOf(t *testing.T, c *api.Client) map[string]estateView {
	t.Helper()
	out := map[string]estateView{}
	var walk func(folder string)
	walk = func(folder string) {
		answer, err := c.Logical().ListWithContext(t.Context(), "secret/metadata/"+folder)
		if err != nil {
			t.Fatal(err)
		}
		if answer == nil {
			return
		}
		for _, k := range answer.Data["keys"].([]any) {
			switch name := folder + k.(string); {
			case name == "vaultferry.meta/":
			case strings.HasSuffix(name, "/"):
				walk(name)
			default:
				out[name] = viewOfKey(t, c, name)
			}
		}
	}
	walk("")
	return out
}

func viewOfKey(t *testing.T, c *api.Client, name string) estateView {
	t.Helper()
	meta, err := c.KVv2("secret").GetMetadata(t.Context(), name)
	if err != nil {
		t.Fatalf("%q: %v", name, err)
	}
	v := estateView{Custom: map[string]string{}, Versions: map[int]string{}, Pending: map[int]bool{}}
	for key, value := range meta.CustomMetadata {
		if !strings.HasPrefix(key, "vaultferry") {
			v.Custom[key] = value.(string)
		}
	}
	most := meta.MaxVersions
	if most >= 1001 { // the gateway's own, which is no limit
		most = 0
	}
	v.Settings = fmt.Sprint(most, meta.CASRequired, meta.DeleteVersionAfter)
	for number, m := range meta.Versions {
		n := 0
		if _, err := fmt.Sscan(number, &n); err != nil {
			t.Fatal(err)
		}
		data, err := c.Logical().ReadWithDataWithContext(t.Context(), "secret/data/"+name, map[string][]string{"version": {number}})
		if err != nil {
			t.Fatalf("%q version %d: %v", name, n, err)
		}
		switch {
		case m.Destroyed:
			v.Versions[n] = "destroyed"
		case data == nil || data.Data["data"] == nil:
			v.Versions[n] = "deleted"
		default:
			text, err := json.Marshal(data.Data["data"])
			if err != nil {
				t.Fatal(err)
			}
			v.Versions[n] = "value " + string(text)
			v.Pending[n] = !m.DeletionTime.IsZero()
		}
	}
	return v
}

// differences are told in the words of losses.
func (v estateView) differences(w estateView) foretold {
	out := foretold{}
	if !maps.Equal(v.Custom, w.Custom) {
		out[difference{0, "tags"}] = true
	}
	if v.Settings != w.Settings {
		out[difference{0, "extra"}] = true
	}
	for n, was := range v.Versions {
		is, there := w.Versions[n]
		switch {
		case was == is:
		case was == "deleted" && strings.HasPrefix(is, "value"):
			out[difference{int64(n), undeleted}] = true
		case was == "deleted" && is == "destroyed":
			out[difference{int64(n), "value"}] = true
		case !there:
			out[difference{int64(n), "version"}] = true
		default:
			out[difference{int64(n), fmt.Sprintf("unforeseen: %.20s became %.20s", was, is)}] = true
		}
		if v.Pending[n] && !w.Pending[n] {
			out[difference{int64(n), "deletion"}] = true
		}
	}
	for n, is := range w.Versions {
		if _, there := v.Versions[n]; !there && is != "destroyed" {
			out[difference{int64(n), "unforeseen: it was not there"}] = true
		}
	}
	return out
}
