// Package pgxv4 stands in for a database driver, which cannot be registered.
package pgxv4

import (
	"errors"

	"cloud.google.com/go/cloudsqlconn"
)

func RegisterDriver(string, ...cloudsqlconn.Option) (func() error, error) {
	return nil, errors.New("cloudsql: left out of this server")
}
