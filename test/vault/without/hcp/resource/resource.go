// Package resource stands in for names of things in HashiCorp's cloud, none
// of which is valid here.
package resource

import "errors"

type Resource struct{}

func FromString(string) (Resource, error) {
	return Resource{}, errors.New("hcp: left out of this server")
}
