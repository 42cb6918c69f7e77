// Package schematest holds configurations to the JSON Schema that editors get.
package schematest

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/vaultferry/vaultferry/config"
)

var configuration = sync.OnceValues(func() (*jsonschema.Schema, error) { return Compile(config.Schema()) })

// Compile reads a schema.
func Compile(schema string) (*jsonschema.Schema, error) {
	const url = "schema.json"
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(url, doc); err != nil {
		return nil, err
	}
	return c.Compile(url)
}

// Check returns what the schema of the configuration holds against the YAML.
func Check(text string) error {
	s, err := configuration()
	if err != nil {
		return err
	}
	return CheckBy(s, text)
}

// CheckBy is Check by another schema.
func CheckBy(s *jsonschema.Schema, text string) error {
	var tree any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		return err
	}
	b, err := json.Marshal(tree) // a date becomes text
	if err != nil {
		return fmt.Errorf("schematest: %w", err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}
