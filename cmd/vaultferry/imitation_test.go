package main

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// TestImitation: each product that can be imitated answers as it would, and what is
// forgotten has never been there.
func TestImitation(t *testing.T) {
	t.Parallel()
	a := &app{out: io.Discard, errOut: io.Discard, now: time.Now, timeout: time.Minute}
	cfg, keys := config.Default(), backup.NewKeyring()
	const versions = 25
	for _, product := range all.Imitations() {
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			from, err := a.imitate("bolt", cfg, keys)
			if err != nil {
				t.Fatal(err)
			}
			name := secret.Name("a-b")
			for i := range versions {
				if _, err := from.Put(t.Context(), a.call("test"), gateway.Ref{Store: imitated, Name: name}, secret.Draft{Value: secret.TextValue(fmt.Sprint("x", i))}); err != nil {
					t.Fatal(err)
				}
			}
			blob, err := from.Backup(t.Context(), a.call("test"), gateway.Ref{Store: imitated, Name: name})
			if err != nil {
				t.Fatal(err)
			}
			to, err := a.imitate(product, cfg, keys)
			if err != nil {
				t.Fatal(err)
			}
			info, _ := to.Info(imitated)
			_, err = to.Restore(t.Context(), a.call("test"), imitated, blob, gateway.RestoreOptions{})
			if most := info.Capabilities.MaxVersions; (most > 0 && most < versions) != errors.Is(err, secret.Lossy) {
				t.Fatalf("%d versions into a product of %d: %v", versions, most, err)
			}
			for range 2 {
				if err := to.forget(t.Context(), name); err != nil {
					t.Fatal(err)
				}
				if _, err := to.Restore(t.Context(), a.call("test"), imitated, blob, gateway.RestoreOptions{OnLoss: gateway.LossAccept}); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := to.forget(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := to.Describe(t.Context(), a.call("test"), gateway.Ref{Store: imitated, Name: name}); !errors.Is(err, secret.NotFound) {
				t.Errorf("it is still there: %v", err)
			}
		})
	}
}

// TestNothingElseIsImitated: a word that is no product says so.
func TestNothingElseIsImitated(t *testing.T) {
	t.Parallel()
	a := &app{errOut: io.Discard, now: time.Now}
	if _, err := a.imitate("aws", config.Default(), backup.NewKeyring()); !isUsage(err) {
		t.Errorf("got %v", err)
	}
}
