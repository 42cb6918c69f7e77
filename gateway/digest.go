package gateway

import (
	"context"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// DigestOptions shape an entry of an inventory.
type DigestOptions struct {
	// Of is the name that the digests are over; empty: the secret's own.
	Of secret.Name
	// NoValues reads and digests no value.
	NoValues bool
	// Tags are what the secret must have to be of interest.
	Tags map[string]string
}

// Digest returns what an inventory says of the secret; nil where it lacks one of
// the tags. The values stay here. Action: get; list, where no value is read.
func (s *Service) Digest(ctx context.Context, c Call, r Ref, k inventory.Key, o DigestOptions) (*inventory.Entry, error) {
	action := access.Get
	if o.NoValues {
		action = access.List
	}
	return run(ctx, s, c, action, r, func(ctx context.Context, j *job) (*inventory.Entry, error) {
		read := j.Backend.Export
		if o.NoValues {
			read = j.Backend.Describe
		}
		at := s.now()
		sec, err := read(ctx, r.Name)
		if err != nil {
			return nil, err
		}
		if !o.NoValues {
			j.sawVersions(sec)
		}
		for key, want := range o.Tags {
			if is, ok := sec.ShownTags(nil)[key]; !ok || is != want {
				return nil, nil
			}
		}
		e := k.EntryOf(renamed(sec, r.inside()), o.Of, at)
		return &e, nil
	})
}
