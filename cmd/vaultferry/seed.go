package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// seed is a secret that a gateway of --dev begins with.
type seed struct {
	store string
	name  secret.Name
	draft secret.Draft
}

// seedForm is a secret in a seed file, where it is more than its value.
type seedForm struct {
	Value       string            `yaml:"value"`
	ContentType string            `yaml:"content_type"`
	Tags        map[string]string `yaml:"tags"`
	Disabled    bool              `yaml:"disabled"`
}

// maxSeed bounds the file.
const maxSeed = 16 << 20

// readSeeds reads a file of secrets, by store and name. Its errors show no value.
func readSeeds(file string, stores []config.Store) ([]seed, error) {
	if file == "" {
		return nil, nil
	}
	text, err := readSome(file, maxSeed)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("--seed: %w", err)}
	}
	seeds, err := parseSeeds(text, stores)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("--seed: %s: %w", file, err)}
	}
	return seeds, nil
}

func parseSeeds(text []byte, stores []config.Store) (seeds []seed, err error) {
	var tree map[string]map[string]yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&tree); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.New("it is no YAML of the form { STORE: { NAME: VALUE } }") // the error may show a value
	}
	var errs []error
	for store, secrets := range tree {
		if !slices.ContainsFunc(stores, func(s config.Store) bool { return s.Name == store }) {
			errs = append(errs, fmt.Errorf("there is no store %q", store))
			continue
		}
		for name, node := range secrets {
			s, err := seedOf(store, name, &node)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s.%s: %w", store, name, err))
			}
			seeds = append(seeds, s)
		}
	}
	slices.SortFunc(seeds, func(a, b seed) int {
		return strings.Compare(a.store+"\x00"+string(a.name), b.store+"\x00"+string(b.name))
	})
	return seeds, errors.Join(errs...)
}

func seedOf(store, name string, node *yaml.Node) (seed, error) {
	var form seedForm
	if node.Kind == yaml.ScalarNode {
		form.Value = node.Value
	} else if err := strictly(node, &form); err != nil {
		return seed{}, err
	}
	s := seed{store: store, name: secret.Name(name), draft: secret.Draft{
		Value: secret.TextValue(form.Value), ContentType: form.ContentType, Tags: form.Tags, Disabled: form.Disabled,
	}}
	switch {
	case !utf8.ValidString(form.Value):
		return s, errors.New("a value is text")
	case s.name.Validate() != nil:
		return s, errors.New("no secret can have this name")
	}
	return s, nil
}

// strictly refuses keys that the form does not have.
func strictly(node *yaml.Node, form *seedForm) error {
	if node.Kind != yaml.MappingNode {
		return errors.New("a value, or value, content_type, tags and disabled, are wanted here")
	}
	for i := 0; i < len(node.Content); i += 2 {
		if key := node.Content[i].Value; !slices.Contains([]string{"value", "content_type", "tags", "disabled"}, key) {
			return fmt.Errorf("unknown key %q", key)
		}
	}
	if node.Decode(form) != nil {
		return errors.New("value and content_type are text, tags are texts by name, disabled is true or false")
	}
	return nil
}

// plant writes the seeds.
func (a *app) plant(ctx context.Context, s *gateway.Service, seeds []seed) error {
	for _, p := range seeds {
		if _, err := s.Put(ctx, a.call("seed"), gateway.Ref{Store: p.store, Name: p.name}, p.draft); err != nil {
			return fmt.Errorf("--seed: %s.%s: %s", p.store, p.name, message(err))
		}
	}
	return nil
}
