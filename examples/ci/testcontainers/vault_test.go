// Package testcontainers tests an application with a gateway in a container. It
// needs Docker, and the image that examples/ci/Dockerfile makes. A test in Go needs
// neither: see package vaultferrytest.
package testcontainers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// token is the caller dev's with --fixed.
const token = "5e4e2154736db2720b84281000b8c2c95128cce0"

func TestGreeting(t *testing.T) {
	ctx := t.Context()
	vault, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		Started: true,
		ContainerRequest: testcontainers.ContainerRequest{
			Image:        "vaultferry-dev",
			ExposedPorts: []string{"8443/tcp", "8444/tcp"},
			Cmd:          []string{"--address", "0.0.0.0:8443", "--admin-address", "0.0.0.0:8444", "--seed", "/seed.yaml"},
			Files:        []testcontainers.ContainerFile{{HostFilePath: "../seed.yaml", ContainerFilePath: "/seed.yaml", FileMode: 0o644}},
			WaitingFor:   wait.ForHTTP("/readyz").WithPort("8444/tcp").WithStartupTimeout(time.Minute),
		},
	})
	testcontainers.CleanupContainer(t, vault)
	if err != nil {
		t.Fatal(err)
	}
	address, err := vault.PortEndpoint(ctx, "8443/tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	client := clientOf(t, vault, address)
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://a.vault.localhost/secrets/greeting?api-version=7.4", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+token)
	resp, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s %s %v", resp.Status, body, err)
	}
}

// clientOf trusts the gateway's CA alone, and finds every host at the container.
func clientOf(t *testing.T, vault testcontainers.Container, address string) *http.Client {
	t.Helper()
	file, err := vault.CopyFileFromContainer(t.Context(), "/shared/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	pem, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("there is no CA")
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}}
}
