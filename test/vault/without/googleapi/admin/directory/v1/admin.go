// Package admin stands in for the directory of Google Workspace, of which the
// groups of a JWT login may be asked. It always fails.
package admin

import (
	"context"
	"errors"

	"google.golang.org/api/option"
)

const (
	AdminDirectoryGroupReadonlyScope = "https://www.googleapis.com/auth/admin.directory.group.readonly"
	AdminDirectoryUserReadonlyScope  = "https://www.googleapis.com/auth/admin.directory.user.readonly"
)

var errLeftOut = errors.New("google: left out of this server")

type (
	Service struct {
		Groups GroupsService
		Users  UsersService
	}
	GroupsService  struct{}
	UsersService   struct{}
	GroupsListCall struct{}
	UsersGetCall   struct{}
	Group          struct{ Email string }
	Groups         struct{ Groups []Group }
	User           struct{ CustomSchemas map[string][]byte }
)

func NewService(context.Context, ...option.ClientOption) (*Service, error) { return nil, errLeftOut }

func (GroupsService) List() *GroupsListCall { return new(GroupsListCall) }

func (c *GroupsListCall) UserKey(string) *GroupsListCall { return c }

func (c *GroupsListCall) Domain(string) *GroupsListCall { return c }

func (c *GroupsListCall) Fields(...string) *GroupsListCall { return c }

func (*GroupsListCall) Pages(context.Context, func(*Groups) error) error { return errLeftOut }

func (UsersService) Get(string) *UsersGetCall { return new(UsersGetCall) }

func (c *UsersGetCall) Context(context.Context) *UsersGetCall { return c }

func (c *UsersGetCall) Projection(string) *UsersGetCall { return c }

func (c *UsersGetCall) CustomFieldMask(string) *UsersGetCall { return c }

func (c *UsersGetCall) Fields(...string) *UsersGetCall { return c }

func (*UsersGetCall) Do() (*User, error) { return nil, errLeftOut }
