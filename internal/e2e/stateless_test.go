package e2e

import (
	"maps"
	"testing"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// stateless is a store without backends.StateStore, or any other optional part.
type stateless struct{ backends.Backend }

func openStateless(t *testing.T, names ...string) *gatewaytest.Gateway {
	t.Helper()
	var stores []gateway.Store
	for _, name := range names {
		stores = append(stores, gateway.Store{
			Name: name, Kind: "memory", Backend: stateless{products["memory"](t, name)}, Concurrency: 64, OnLoss: gateway.LossAccept,
		})
	}
	return gatewaytest.New(t, gatewaytest.Options{Stores: stores, MaxBlobs: 16})
}

// TestStoreWithoutState: a store that keeps no records of the gateway's serves
// both dialects. It lacks the events of CSMS, and nothing else.
func TestStoreWithoutState(t *testing.T) {
	t.Parallel()
	t.Run("azure", func(t *testing.T) {
		t.Parallel()
		keyVault(t, openStateless(t, "one", "two", "lists", "trash"), 90, 0)
	})
	t.Run("huawei", func(t *testing.T) {
		t.Parallel()
		s := &csmsSuite{kind: "memory", most: 1000, gateway: openStateless(t, "one", "two"), store: "one", other: "two"}
		s.fresh = s
		parts := maps.Clone(csmsParts)
		parts["events"] = (*csmsSuite).eventsUnsupported
		for name, part := range parts {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				part(s, t)
			})
		}
	})
}

func (s *csmsSuite) eventsUnsupported(t *testing.T) {
	c := s.client(t, s.store)
	_, create := c.createEvent("ev", model.GetCreateSecretEventRequestBodyEventTypesEnum().SECRET_DELETED)
	_, show := c.ShowSecretEvent(&model.ShowSecretEventRequest{EventName: "ev"})
	_, list := c.ListSecretEvents(&model.ListSecretEventsRequest{})
	_, update := c.UpdateSecretEvent(&model.UpdateSecretEventRequest{EventName: "ev", Body: &model.UpdateSecretEventRequestBody{}})
	_, records := c.ListNotificationRecords(&model.ListNotificationRecordsRequest{})
	_, subscribed := c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{
		Name: "subscribed", SecretString: new("x"), EventSubscriptions: &[]string{"ev"},
	}})
	for what, err := range map[string]error{
		"a new event": create, "an event": show, "all events": list, "an event's update": update, "an event's deletion": c.deleteEvent("ev"),
		"records": records, "a subscription": subscribed,
	} {
		refused(t, what, err, 400, "CSMS.0003")
	}
}
