package gateway

import (
	"slices"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// leaveSource is sec as it is at any other place than the one it was read from,
// and what it loses by that, whatever the product: b is the one that it goes to.
func leaveSource(b backends.Backend, sec *secret.Secret) (*secret.Secret, []secret.Loss) {
	losses := append(unreadLosses(sec), secret.PendingLosses(sec)...)
	losses = append(losses, managedLosses(b, sec)...)
	return loss.Apply(sec, losses), losses
}

// unreadLosses are the values that the backup could not read. That was consented
// to when it was made: it is said again in the same words, and stops nothing.
// Where the secret is restored nothing can bring such a value back, so a backup
// from there does not ask again.
func unreadLosses(sec *secret.Secret) []secret.Loss {
	var losses []secret.Loss
	for _, l := range secret.ExportLosses(sec) {
		if l.What == loss.Value {
			l.Grade = secret.Trace
			losses = append(losses, l)
		}
	}
	return losses
}

// managedLosses are the versions that a certificate of Key Vault managed: there is
// none where they are restored. A product that refuses such a version is asked
// about it as it is.
func managedLosses(b backends.Backend, sec *secret.Secret) []secret.Loss {
	var losses []secret.Loss
	for i := range sec.Versions {
		l := secret.Loss{Grade: secret.Trace, Version: sec.Versions[i].Ordinal, What: loss.Managed, Why: "the certificate does not come with it"}
		if loss.Held(sec, l) {
			losses = append(losses, l)
		}
	}
	if losses == nil {
		return nil
	}
	refused := b.Forecast(sec)
	return slices.DeleteFunc(losses, func(l secret.Loss) bool {
		return slices.ContainsFunc(refused, func(r secret.Loss) bool { return r.Version == l.Version && r.What == loss.Version })
	})
}
