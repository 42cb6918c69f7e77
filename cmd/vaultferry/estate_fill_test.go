package main

import (
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// The shapes of secrets that people keep in Vault.
const (
	oneText         = "one text"
	severalFields   = "several fields"
	certificate     = "PEM in several fields"
	oddValues       = "numbers, lists and nothing as fields"
	described       = "custom_metadata"
	withSettings    = "settings"
	rotated         = "many versions, the oldest pushed out"
	softDeleted     = "soft-deleted version"
	softDeletedRead = "soft-deleted version that the backup reads"
	destroyed       = "destroyed version"
	allDeleted      = "all versions deleted"
	aFolderToo      = "a secret and a folder of one name"
	oddName         = "odd name"
)

var shapes = []string{
	oneText, severalFields, certificate, oddValues, described, withSettings, rotated, softDeleted, softDeletedRead, destroyed, allDeleted, aFolderToo,
	oddName,
}

var oddNames = []string{"a b", "a%2Fb", "a+b", "...", "ключ", "Upper_Case.name", "emoji \U0001f511", "q?x=1#y", "quote\"'", "-dash", "ends.", "~", "a\\b"}

type estateSecret struct {
	name, shape string
	gone        bool // nothing is left of it
}

type estateSecrets []estateSecret

// fillEstate writes n secrets or a few more, by Vault's own client.
func fillEstate(t *testing.T, c *api.Client, n int) estateSecrets {
	t.Helper()
	f := estateFiller{t: t, c: c}
	var made estateSecrets
	for i := range n {
		shape := shapes[i%len(shapes)]
		name := fmt.Sprintf("team-%d/app-%d/%s-%04d", i%7, i%31, strings.ReplaceAll(shape[:4], " ", "-"), i)
		if shape == oddName {
			odd := oddNames[i/len(shapes)%len(oddNames)]
			name = fmt.Sprintf("odd-%d/%s", i/len(shapes)/len(oddNames), odd)
		}
		f.fill(name, shape, i)
		made = append(made, estateSecret{name: name, shape: shape, gone: shape == allDeleted})
		if shape == aFolderToo {
			f.put(name+"/below", map[string]any{"value": "below"})
			made = append(made, estateSecret{name: name + "/below", shape: oneText})
		}
	}
	return made
}

type estateFiller struct {
	t *testing.T
	c *api.Client
}

func (f estateFiller) fill(name, shape string, i int) {
	f.t.Helper()
	switch shape {
	case severalFields:
		f.put(name, map[string]any{"username": "svc", "password": fmt.Sprint("p", i), "host": "db.example"})
		f.put(name, map[string]any{"username": "svc", "password": fmt.Sprint("q", i), "host": "db.example", "port": 5432})
	case certificate:
		block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte(strings.Repeat(fmt.Sprint(i), 300))})
		f.put(name, map[string]any{"tls.key": string(block), "tls.crt": strings.ReplaceAll(string(block), "PRIVATE KEY", "CERTIFICATE")})
	case oddValues:
		f.put(name, map[string]any{"n": 1.50, "big": uint64(9007199254740993), "list": []any{1, "x", nil}, "null": nil, "nested": map[string]any{"b": 1, "a": true}})
		f.put(name, map[string]any{"value": ""})
		f.put(name, map[string]any{"value": 12})
		f.put(name, map[string]any{})
	case described:
		f.put(name, map[string]any{"value": fmt.Sprint("v", i)})
		f.must(f.c.KVv2("secret").PutMetadata(f.t.Context(), name, api.KVMetadataPutInput{
			CustomMetadata: map[string]any{"owner": fmt.Sprint("team-", i%7), "ticket": "T-1", "spaced key": "ключ и ценность", "empty-looking": " "},
		}))
	case withSettings:
		f.must(f.c.KVv2("secret").PutMetadata(f.t.Context(), name, api.KVMetadataPutInput{MaxVersions: 3, DeleteVersionAfter: 720 * time.Hour}))
		for v := range 5 {
			f.put(name, map[string]any{"value": fmt.Sprint("v", i, v)})
		}
	case rotated:
		for v := range 14 {
			f.put(name, map[string]any{"value": fmt.Sprint("v", i, v)})
		}
	case softDeleted, softDeletedRead:
		f.versions(name, 3)
		f.must(f.c.KVv2("secret").DeleteVersions(f.t.Context(), name, []int{2}))
	case destroyed:
		f.versions(name, 3)
		f.must(f.c.KVv2("secret").Destroy(f.t.Context(), name, []int{1}))
	case allDeleted:
		f.versions(name, 2)
		f.must(f.c.KVv2("secret").DeleteVersions(f.t.Context(), name, []int{1, 2}))
	default:
		f.versions(name, 1+i%3)
	}
}

func (f estateFiller) versions(name string, n int) {
	f.t.Helper()
	for v := range n {
		f.put(name, map[string]any{"value": fmt.Sprintf("%s %d", name, v)})
	}
}

func (f estateFiller) put(name string, data map[string]any) {
	f.t.Helper()
	_, err := f.c.KVv2("secret").Put(f.t.Context(), name, data)
	f.must(err)
}

func (f estateFiller) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// listed are the names that a list shows, in its order.
func (s estateSecrets) listed() []string {
	names := s.named(func(s estateSecret) bool { return !s.gone })
	slices.Sort(names)
	return names
}

func (s estateSecrets) named(take func(estateSecret) bool) []string {
	var names []string
	for _, e := range s {
		if take(e) {
			names = append(names, e.name)
		}
	}
	return names
}

func (s estateSecrets) shapeOf(name string) string {
	for _, e := range s {
		if e.name == name {
			return e.shape
		}
	}
	return ""
}
