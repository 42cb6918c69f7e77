package huawei

import (
	"cmp"
	"net/url"
	"strconv"

	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/secret"
)

type recordObject struct {
	Event      string `json:"event_name"`
	Type       string `json:"trigger_event_type"`
	CreateTime int64  `json:"create_time"`
	Secret     string `json:"secret_name"`
	SecretType string `json:"secret_type"`
	TargetName string `json:"notification_target_name"`
	TargetID   string `json:"notification_target_id"`
	Content    string `json:"notification_content"`
	Status     string `json:"notification_status"`
}

type recordsAnswer struct {
	Records  []recordObject `json:"records"`
	PageInfo pageInfo       `json:"page_info"`
}

// notDelivered is the status of every record: of the vendor's three, FAIL is
// the one that is true. The content says why.
const (
	notDelivered  = "FAIL"
	recordedAlone = " This gateway records what happens and delivers no notification."
)

// listRecords leaves out secrets that CSMS cannot spell.
func (a *api) listRecords(r *request) (any, error) {
	all, err := a.events.Records(r.Context(), r.call, r.store)
	if err != nil {
		return nil, err
	}
	out := recordsAnswer{Records: []recordObject{}}
	for i := range all {
		if o, err := renderRecord(&all[i]); err == nil {
			out.Records = append(out.Records, o)
		}
	}
	out.PageInfo = pageOf(out.Records, false, func(o recordObject) string { return o.Secret })
	return out, nil
}

func renderRecord(r *events.Record) (recordObject, error) {
	name, err := WireName(r.Secret)
	if err != nil {
		return recordObject{}, err
	}
	return recordObject{
		Event: r.Event, Type: eventTypes[r.Type], CreateTime: millis(r.Time), Secret: name, SecretType: typeCommon,
		TargetName: r.Target.Name, TargetID: r.Target.ID, Content: content(r, name) + recordedAlone, Status: notDelivered,
	}, nil
}

func content(r *events.Record, name string) string {
	switch r.Type {
	case events.VersionCreated:
		return "Version " + versionID(r.Version) + " of secret " + name + " was created."
	case events.VersionExpired:
		return "Version " + versionID(r.Version) + " of secret " + name + " has expired."
	case events.SecretDeleted:
		return "Secret " + name + " was deleted."
	}
	return "Event " + eventTypes[r.Type] + " of secret " + name + "."
}

// tasksAnswer is that of a gateway where nothing rotates.
type tasksAnswer struct {
	Total      int        `json:"total"`
	Tasks      []struct{} `json:"tasks"`
	NextMarker *string    `json:"next_marker"`
}

// listTasks checks what is asked for. No task has ever been, so none is found.
func (a *api) listTasks(r *request) (any, error) {
	if err := checkTaskQuery(r.URL.RawQuery); err != nil {
		return nil, err
	}
	return tasksAnswer{Tasks: []struct{}{}}, a.svc.Admit(r.call)
}

func checkTaskQuery(raw string) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return secret.Errorf(secret.Invalid, "the query is malformed")
	}
	var others string
	for _, k := range []string{"task_id", "secret_name", "status", "limit", "marker"} {
		if len(values[k]) > 1 {
			return secret.Errorf(secret.Invalid, "%s is given twice", k)
		}
		if k != "task_id" {
			others = cmp.Or(others, values.Get(k))
		}
	}
	if values.Get("task_id") != "" && others != "" {
		return secret.Errorf(secret.Invalid, "task_id excludes every other parameter")
	}
	if s := values.Get("status"); s != "" && s != "SUCCESS" && s != "FAILED" {
		return secret.Errorf(secret.Invalid, "status must be SUCCESS or FAILED")
	}
	if s := values.Get("secret_name"); s != "" {
		if _, err := ModelName(s); err != nil {
			return err
		}
	}
	if s := values.Get("limit"); s != "" {
		if n, err := strconv.ParseUint(s, 10, 16); err != nil || n < 1 || n > maxLimit {
			return secret.Errorf(secret.Invalid, "limit is not between 1 and %d", maxLimit)
		}
	}
	return nil
}
