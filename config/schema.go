package config

import (
	_ "embed" // the schema
)

//go:embed schema.json
var schema string

// SchemaLine is the first line of a configuration that lies beside SchemaFile:
// editors with YAML's language server go by it.
const SchemaLine = "# yaml-language-server: $schema=./" + SchemaFile

// SchemaFile is the name of a copy of Schema beside a configuration.
const SchemaFile = "vaultferry.schema.json"

// Schema is the JSON Schema of a configuration, for editors. Load does not go
// by it, and knows more.
func Schema() string { return schema }
