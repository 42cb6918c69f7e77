// Package k8s stands in for finding servers in Kubernetes.
package k8s

import (
	"errors"
	"log"
)

type Provider struct{}

func (*Provider) Addrs(map[string]string, *log.Logger) ([]string, error) {
	return nil, errors.New("auto_join: left out of this server")
}

func (*Provider) Help() string { return "" }
