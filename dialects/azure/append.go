package azure

import (
	"maps"
	"slices"
	"strconv"

	"github.com/vaultferry/vaultferry/dialects/wire"
)

// The answers that are asked for most often append themselves: to the byte what
// encoding/json makes of their tags.

// AppendJSON implements wire.Appender.
func (b bundle) AppendJSON(to []byte) []byte { return append(b.members(append(to, '{')), '}') }

func (b *bundle) members(to []byte) []byte {
	if b.Value != nil {
		to = wire.AppendString(append(to, `"value":`...), *b.Value)
		to = append(to, ',')
	}
	if b.ContentType != "" {
		to = wire.AppendString(append(to, `"contentType":`...), b.ContentType)
		to = append(to, ',')
	}
	to = wire.AppendString(append(to, `"id":`...), b.ID)
	if b.KID != "" {
		to = wire.AppendString(append(to, `,"kid":`...), b.KID)
	}
	if b.Managed {
		to = append(to, `,"managed":true`...)
	}
	to = b.Attributes.append(append(to, `,"attributes":`...))
	if b.Tags != nil {
		to = appendTags(append(to, `,"tags":`...), b.Tags)
	}
	return to
}

func (a *attributes) append(to []byte) []byte {
	to = strconv.AppendBool(append(to, `{"enabled":`...), a.Enabled)
	if a.NotBefore != nil {
		to = strconv.AppendInt(append(to, `,"nbf":`...), *a.NotBefore, 10)
	}
	if a.Expires != nil {
		to = strconv.AppendInt(append(to, `,"exp":`...), *a.Expires, 10)
	}
	to = strconv.AppendInt(append(to, `,"created":`...), a.Created, 10)
	to = strconv.AppendInt(append(to, `,"updated":`...), a.Updated, 10)
	to = wire.AppendString(append(to, `,"recoveryLevel":`...), a.RecoveryLevel)
	if a.RecoverableDays != nil {
		to = strconv.AppendInt(append(to, `,"recoverableDays":`...), int64(*a.RecoverableDays), 10)
	}
	return append(to, '}')
}

func appendTags(to []byte, tags map[string]string) []byte {
	to = append(to, '{')
	for i, k := range slices.Sorted(maps.Keys(tags)) {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(wire.AppendString(to, k), ':')
		to = wire.AppendString(to, tags[k])
	}
	return append(to, '}')
}

// AppendJSON implements wire.Appender.
func (d deleted) AppendJSON(to []byte) []byte {
	to = wire.AppendString(append(to, `{"recoveryId":`...), d.RecoveryID)
	to = strconv.AppendInt(append(to, `,"deletedDate":`...), d.Deleted, 10)
	to = strconv.AppendInt(append(to, `,"scheduledPurgeDate":`...), d.ScheduledPurge, 10)
	return append(d.members(append(to, ',')), '}')
}

// AppendJSON implements wire.Appender.
func (p page[T]) AppendJSON(to []byte) []byte {
	to = append(to, `{"value":[`...)
	for i := range p.Value {
		if i > 0 {
			to = append(to, ',')
		}
		to = p.Value[i].AppendJSON(to)
	}
	to = append(to, `],"nextLink":`...)
	if p.NextLink == nil {
		return append(to, "null}"...)
	}
	return append(wire.AppendString(to, *p.NextLink), '}')
}
