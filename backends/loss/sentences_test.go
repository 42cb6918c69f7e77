package loss_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// TestSentences: people are told of each word in a sentence of its own.
func TestSentences(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "loss.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	words := []string{loss.Deletion}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for i, v := range spec.Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING && spec.Names[i].IsExported() {
					word, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					words = append(words, word)
				}
			}
		}
		return true
	})
	if len(words) < 20 {
		t.Fatalf("only %q are words", words)
	}
	for _, w := range words {
		said := secret.Loss{What: w, Why: "why"}.Sentence()
		if strings.HasPrefix(said, w+" of the secret is not kept") || !strings.Contains(said, "the secret") || !strings.HasSuffix(said, ": why") {
			t.Errorf("%s is told as %q", w, said)
		}
	}
}
