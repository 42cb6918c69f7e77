package configdoc

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

const module = "github.com/vaultferry/vaultferry/"

// comments are those of the structs in the packages of this module, read from
// their sources.
type comments struct {
	root     string                       // of the module
	packages map[string]map[string]remark // by import path and type
}

// remark is what stands above a struct and above each of its fields.
type remark struct {
	text   string
	fields map[string]string
}

// of returns the remarks of a struct as sentences for a reader who knows its
// keys and not its Go names.
func (c *comments) of(t reflect.Type) (remark, error) {
	types, ok := c.packages[t.PkgPath()]
	if !ok {
		var err error
		if types, err = c.read(strings.TrimPrefix(t.PkgPath(), module)); err != nil {
			return remark{}, err
		}
		c.packages[t.PkgPath()] = types
	}
	r, ok := types[t.Name()]
	if !ok {
		return remark{}, fmt.Errorf("configdoc: %s is in no source", t)
	}
	return r, nil
}

func (c *comments) read(dir string) (map[string]remark, error) {
	files, err := filepath.Glob(filepath.Join(c.root, dir, "*.go"))
	if err != nil {
		return nil, fmt.Errorf("configdoc: %w", err)
	}
	types := map[string]remark{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("configdoc: %w", err)
		}
		for _, decl := range f.Decls {
			if d, ok := decl.(*ast.GenDecl); ok {
				remarks(d, types)
			}
		}
	}
	return types, nil
}

// remarks adds those of the structs of one declaration.
func remarks(d *ast.GenDecl, into map[string]remark) {
	for _, spec := range d.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		s, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		doc := t.Doc
		if doc == nil {
			doc = d.Doc
		}
		r := remark{sentence(doc.Text(), t.Name.Name), map[string]string{}}
		for _, field := range s.Fields.List {
			for _, name := range field.Names {
				r.fields[name.Name] = sentence(field.Doc.Text(), name.Name)
			}
		}
		into[t.Name.Name] = r
	}
}

// sentence turns "CAFile is a file" into "A file" and "Off serves" into
// "Serves". What stands in a paragraph of its own is for readers of the code.
func sentence(doc, name string) string {
	doc, _, _ = strings.Cut(doc, "\n\n")
	text := strings.Join(strings.Fields(doc), " ")
	if rest, ok := strings.CutPrefix(text, name+" "); ok {
		text = strings.TrimPrefix(strings.TrimPrefix(rest, "is "), "are ")
	}
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + text[size:]
}
