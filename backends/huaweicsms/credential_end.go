package huaweicsms

import "github.com/vaultferry/vaultferry/backends"

// Credentials implements backends.CredentialReporter: IAM says until when the keys
// last that it issues, and not when a key of the configuration is over.
func (b *Backend) Credentials() []backends.Credential {
	c := b.client.credentials
	if c == nil || c.issue == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return nil
	}
	return []backends.Credential{{Kind: backends.CredentialAccessKey, Key: "credential", Ends: c.current.end, Renewed: true}}
}
