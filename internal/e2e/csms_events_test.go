package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

func (c csmsClient) createEvent(name string, types ...model.CreateSecretEventRequestBodyEventTypes) (*model.Event, error) {
	out, err := c.CreateSecretEvent(&model.CreateSecretEventRequest{Body: &model.CreateSecretEventRequestBody{
		Name: name, EventTypes: types, State: model.GetCreateSecretEventRequestBodyStateEnum().ENABLED,
		Notification: &model.Notification{TargetType: "SMN", TargetId: "urn:smn:cn-north-4:p:ops", TargetName: "ops"},
	}})
	if err != nil {
		return nil, err
	}
	return out.Event, nil
}

func (c csmsClient) deleteEvent(name string) error {
	_, err := c.DeleteSecretEvent(&model.DeleteSecretEventRequest{EventName: name})
	return err
}

// events pages in twos and returns the names.
func (c csmsClient) events() (names []string) {
	c.t.Helper()
	for marker := (*string)(nil); ; {
		page := got(c.ListSecretEvents(&model.ListSecretEventsRequest{Limit: new("2"), Marker: marker}))(c.t)
		for _, e := range *page.Events {
			names = append(names, *e.Name)
		}
		if marker = page.PageInfo.NextMarker; marker == nil {
			return names
		}
	}
}

// records are those of one event, newest first: "SECRET_DELETED name".
func (c csmsClient) records(event string) (all []string) {
	c.t.Helper()
	for _, r := range *got(c.ListNotificationRecords(&model.ListNotificationRecordsRequest{}))(c.t).Records {
		if *r.EventName != event {
			continue
		}
		if r.NotificationStatus.Value() != "FAIL" || !strings.Contains(*r.NotificationContent, "delivers no notification") || *r.NotificationTargetName != "ops" || *r.CreateTime < 1_000_000_000_000 {
			c.t.Errorf("record %v", r)
		}
		all = append(all, r.TriggerEventType.Value()+" "+*r.SecretName)
	}
	return all
}

// subscriptions drives events, what is recorded of them, and tasks.
func (s *csmsSuite) subscriptions(t *testing.T) {
	c := s.client(t, s.store)
	types := model.GetCreateSecretEventRequestBodyEventTypesEnum()
	made := got(c.createEvent("ev_1", types.SECRET_VERSION_CREATED, types.SECRET_DELETED, types.SECRET_VERSION_EXPIRED))(t)
	if len(*made.EventId) != 36 || made.State.Value() != "ENABLED" || len(*made.EventTypes) != 3 || *made.Notification != (model.Notification{TargetType: "SMN", TargetId: "urn:smn:cn-north-4:p:ops", TargetName: "ops"}) {
		t.Errorf("created: %v", made)
	}
	_, err := c.createEvent("ev_1", types.SECRET_DELETED)
	refused(t, "an event twice", err, 400, "CSMS.0101")
	for _, name := range []string{"ev_3", "ev_2"} {
		got(c.createEvent(name, types.SECRET_ROTATED))(t)
	}
	other := s.fresh.client(t, s.store)
	for _, c := range []csmsClient{c, other} {
		if names := c.events(); !slices.Equal(names, []string{"ev_1", "ev_2", "ev_3"}) {
			t.Errorf("events: %q", names)
		}
	}
	off := model.GetUpdateSecretEventRequestBodyStateEnum().DISABLED
	got(c.UpdateSecretEvent(&model.UpdateSecretEventRequest{EventName: "ev_2", Body: &model.UpdateSecretEventRequestBody{State: &off}}))(t)
	if e := got(other.ShowSecretEvent(&model.ShowSecretEventRequest{EventName: "ev_2"}))(t).Event; e.State.Value() != "DISABLED" || (*e.EventTypes)[0].Value() != "SECRET_ROTATED" || *e.UpdateTime < *e.CreateTime {
		t.Errorf("updated: %v", e)
	}
	s.happenings(t, c, other)
	for _, name := range []string{"ev_1", "ev_2", "ev_3"} {
		if err := c.deleteEvent(name); err != nil {
			t.Errorf("deleting %s: %v", name, err)
		}
	}
	refused(t, "an event that is gone", other.deleteEvent("ev_1"), 404, "CSMS.0005")
	_, err = other.ShowSecretEvent(&model.ShowSecretEventRequest{EventName: "ev_1"})
	refused(t, "an event that is gone", err, 404, "CSMS.0005")
	failed := model.GetListSecretTaskRequestStatusEnum().FAILED
	tasks := got(c.ListSecretTask(&model.ListSecretTaskRequest{Status: &failed, Limit: new(int32(10))}))(t)
	if *tasks.Total != 0 || len(*tasks.Tasks) != 0 || tasks.NextMarker != nil {
		t.Errorf("tasks: %v", tasks)
	}
}

// happenings are recorded whichever gateway and dialect they come through.
func (s *csmsSuite) happenings(t *testing.T, c, other csmsClient) {
	const name = "noted-1"
	_, err := c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: name, SecretString: new("one"), EventSubscriptions: &[]string{"none"}}})
	refused(t, "an event that does not exist", err, 400, "CSMS.0002")
	got(c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: name, SecretString: new("one"), EventSubscriptions: &[]string{""}}}))(t)
	updated := got(c.UpdateSecret(&model.UpdateSecretRequest{SecretName: name, Body: &model.UpdateSecretRequestBody{EventSubscriptions: &[]string{"ev_1"}}}))(t).Secret
	if !slices.Equal(*updated.EventSubscriptions, []string{"ev_1"}) {
		t.Errorf("subscribed: %v", updated)
	}
	created, deleted, expired := "SECRET_VERSION_CREATED "+name, "SECRET_DELETED "+name, "SECRET_VERSION_EXPIRED "+name
	want := func(all ...string) {
		t.Helper()
		for _, c := range []csmsClient{c, other} {
			if records := c.records("ev_1"); !slices.Equal(records, all) {
				t.Errorf("records: %q, want %q", records, all)
			}
		}
	}
	c.add(name, "two")
	az, ok := newAzure(t, s.fresh.gateway, s.store).(azureClient)
	if !ok {
		t.Fatal("no client")
	}
	got(az.c.SetSecret(t.Context(), name, azsecrets.SetSecretParameters{Value: new("three")}, nil))(t)
	want(created, created)
	refused(t, "an event with a subscriber", other.deleteEvent("ev_1"), 400, "CSMS.0003")
	// It must come after the event was made, and is kept in whole seconds.
	soon := time.Now().Add(time.Second).UnixMilli()
	got(c.UpdateVersion(&model.UpdateVersionRequest{SecretName: name, VersionId: "v3", Body: &model.UpdateVersionRequestBody{ExpireTime: soon}}))(t)
	for deadline := time.Now().Add(30 * time.Second); !slices.Contains(c.records("ev_1"), expired); {
		if time.Now().After(deadline) {
			t.Fatal("an expiry is not recorded")
		}
	}
	got(c.DeleteSecretForSchedule(&model.DeleteSecretForScheduleRequest{SecretName: name, Body: &model.DeleteSecretForScheduleRequestBody{RecoveryWindowInDays: 7}}))(t)
	refused(t, "an event with a subscriber in the trash", other.deleteEvent("ev_1"), 400, "CSMS.0003")
	got(c.DeleteSecret(&model.DeleteSecretRequest{SecretName: name}))(t)
	if records := other.records("ev_1"); len(records) != 4 || !slices.Contains(records[:2], deleted) || !slices.Contains(records[:2], expired) { // in one millisecond, in either order
		t.Errorf("records after the deletion: %q", records)
	}
}

// TestRestoredSubscriptions: whichever dialect restores a secret where its event
// is not, the secret arrives and subscribes to nothing.
func TestRestoredSubscriptions(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{
		{Name: "home", Kind: "memory", Backend: memory.New(memory.Options{})},
		{Name: "azure", Kind: "memory", Backend: memory.New(memory.Options{})},
		{Name: "huawei", Kind: "memory", Backend: memory.New(memory.Options{})},
	}})
	s := &csmsSuite{gateway: g}
	c := s.client(t, "home")
	types := model.GetCreateSecretEventRequestBodyEventTypesEnum()
	got(c.createEvent("ev_1", types.SECRET_DELETED))(t)
	got(c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: "s", SecretString: new("one"), EventSubscriptions: &[]string{"ev_1"}}}))(t)
	for dialect, open := range dialects {
		blob := got(open(t, g, "home").backup(t.Context(), "s"))(t)
		got(open(t, g, dialect).restore(t.Context(), blob))(t)
		there := s.client(t, dialect)
		shown := got(there.ShowSecret(&model.ShowSecretRequest{SecretName: "s"}))(t).Secret
		if n := len(*shown.EventSubscriptions); n != 0 {
			t.Errorf("%s: %d subscriptions arrived", dialect, n)
		}
		if err := there.createAndDelete("ev_1"); err != nil {
			t.Errorf("%s: an event that nobody subscribes to: %v", dialect, err)
		}
	}
}

// createAndDelete makes an event and takes it away.
func (c csmsClient) createAndDelete(name string) error {
	types := model.GetCreateSecretEventRequestBodyEventTypesEnum()
	if _, err := c.createEvent(name, types.SECRET_DELETED); err != nil {
		return err
	}
	return c.deleteEvent(name)
}
