// Package cloudsqlconn stands in for connections to databases of Google's
// cloud. Nothing connects.
package cloudsqlconn

type (
	Option     any
	DialOption any
)

func WithIAMAuthN() Option { return nil }

func WithCredentialsJSON([]byte) Option { return nil }

func WithDefaultDialOptions(...DialOption) Option { return nil }

func WithPrivateIP() DialOption { return nil }

func WithPSC() DialOption { return nil }
