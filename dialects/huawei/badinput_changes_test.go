package huawei_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

const (
	badParam  = "CSMS.0002"
	badFormat = "CSMS.0004"
)

// badChanges are requests that would change "taken", which has one version.
func badChanges(g *gatewaytest.Gateway) []badInput {
	send := func(method, path, body string, status int, code, says string) badInput {
		return badInput{method + path + body[:min(len(body), 60)], message{Method: method, Path: path, Body: body}, status, code, says}
	}
	update := func(body, code, says string) badInput { return send("PUT", "/secrets/taken", body, 400, code, says) }
	version := func(body, code, says string) badInput {
		return send("PUT", "/secrets/taken/versions/v1", body, 400, code, says)
	}
	schedule := func(body, code, says string) badInput {
		return send("POST", "/secrets/taken/scheduled-deleted-tasks/create", body, 400, code, says)
	}
	const stage = `{"version_id":"v1"}`
	return []badInput{
		update(``, badFormat, "empty"),
		update(`{"name":"new"}`, badFormat, "does not know"),
		update(`{"description":"`+strings.Repeat("x", 2049)+`"}`, badParam, "2048"),
		update(`{"description":1}`, badFormat, ""),
		update(`{"kms_key_id":"mine"}`, badParam, "UUID"),
		update(`{"event_subscriptions":["ev"]}`, badParam, "does not exist"),
		update(`{"event_subscriptions":"ev"}`, badFormat, "list"),
		update(`{"rotation_period":"6h"}`, badParam, "rotation"),
		send("PUT", "/secrets/none", `{"description":"x"}`, 404, "CSMS.0106", ""),

		version(`{}`, badParam, "missing"),
		version(`{"expire_time":null}`, badParam, "missing"),
		version(`{"expire_time":-1}`, badParam, "between"),
		version(`{"expire_time":10000000000000}`, badParam, "between"),
		version(`{"expire_time":"1900000000000"}`, badFormat, ""),
		version(`{"expire_time":1.5}`, badFormat, ""),
		send("PUT", "/secrets/taken/versions/v2", `{"expire_time":1}`, 404, "CSMS.0005", ""),
		send("PUT", "/secrets/taken/versions/x", `{"expire_time":1}`, 400, badParam, ""),

		schedule(`{}`, badParam, "between 7 and 30"),
		schedule(`{"recovery_window_in_days":6}`, badParam, "between 7 and 30"),
		schedule(`{"recovery_window_in_days":31}`, badParam, "between 7 and 30"),
		schedule(`{"recovery_window_in_days":"7"}`, badFormat, ""),
		send("POST", "/secrets/taken/scheduled-deleted-tasks/cancel", "", 400, "CSMS.0108", ""),
		send("POST", "/secrets/none/scheduled-deleted-tasks/cancel", "", 404, "CSMS.0106", ""),
		send("DELETE", "/secrets/none", "", 404, "CSMS.0106", ""),

		send("PUT", "/secrets/taken/stages/a%20b", stage, 400, badParam, "a stage is"),
		send("PUT", "/secrets/taken/stages/"+strings.Repeat("x", 65), stage, 400, badParam, "a stage is"),
		send("PUT", "/secrets/taken/stages/blue", `{"version_id":"v2"}`, 404, "CSMS.0005", ""),
		send("PUT", "/secrets/taken/stages/blue", `{"version_id":"v01"}`, 404, "CSMS.0005", ""),
		send("PUT", "/secrets/taken/stages/blue", `{"version_id":"latest"}`, 400, badParam, "version id"),
		send("PUT", "/secrets/taken/stages/blue", `{}`, 400, badParam, "version id"),
		send("PUT", "/secrets/taken/stages/SYSPREVIOUS", stage, 400, badParam, "current version"),
		send("PUT", "/secrets/none/stages/blue", stage, 404, "CSMS.0005", ""),
		send("POST", "/secrets/taken/stages", `{"name":"a b","version_id":"v1"}`, 400, badParam, "a stage is"),
		send("POST", "/secrets/taken/stages", `{"version_id":"v1"}`, 400, badParam, "a stage is"),
		send("GET", "/secrets/taken/stages/blue", "", 404, "CSMS.0005", ""),
		send("DELETE", "/secrets/taken/stages/blue", "", 404, "CSMS.0005", ""),
		send("DELETE", "/secrets/taken/stages/SYSCURRENT", "", 400, "CSMS.0105", ""),
		send("DELETE", "/secrets/taken/stages/SYSPREVIOUS", "", 400, "CSMS.0105", ""),

		send("POST", "/secrets/batch-import", `{}`, 400, badParam, "1 to 1000"),
		send("POST", "/secrets/batch-import", `{"secrets":{}}`, 400, badFormat, ""),
		send("POST", "/secrets/batch-delete", `{}`, 400, badParam, "instance_id"),
		send("POST", "/secrets/batch-get-secret-value", `{"secret_name_list":["taken","none"]}`, 404, "CSMS.0106", ""),
		send("POST", "/secrets/batch-get-secret-value", `{"secret_name_list":["a b"]}`, 400, badParam, ""),
		send("POST", "/secrets/batch-get-secret-value", `{"secret_name_list":[`+strings.Repeat(`"taken",`, 1000)+`"taken"]}`, 400, badParam, "at most 1000"),
		send("POST", "/csms/generate-password", `{"length":4097}`, 400, badParam, "length"),
		send("POST", "/csms/generate-password", `{"exclude_characters":"`+strings.Repeat("a", 3)+`","length":-1}`, 400, badParam, "length"),
		send("POST", "/csms/generate-password", `{"exclude_lowercase":true,"exclude_uppercase":true,"exclude_numbers":true,"exclude_punctuation":true}`, 400, badParam, "excluded"),
	}
}

// badTags are about the tags of "taken".
func badTags(t testing.TB, g *gatewaytest.Gateway) []badInput {
	t.Helper()
	var shown struct {
		Secret struct {
			ID string `json:"id"`
		} `json:"secret"`
	}
	must(t, json.Unmarshal([]byte(message{Path: "/secrets/taken"}.send(t, g).Body), &shown))
	of := "/csms/" + shown.Secret.ID + "/tags"
	create := func(tag, code, says string) badInput {
		return badInput{"create/" + tag[:min(len(tag), 60)], message{Method: "POST", Path: of, Body: `{"tag":` + tag + `}`}, 400, code, says}
	}
	batch := func(name, body, code, says string) badInput {
		return badInput{"batch/" + name, message{Method: "POST", Path: of + "/action", Body: body}, 400, code, says}
	}
	many := make([]string, 21)
	for i := range many {
		many[i] = fmt.Sprintf(`{"key":"k%d"}`, i)
	}
	at := func(path string, status int, code string) badInput {
		return badInput{path, message{Path: path}, status, code, ""}
	}
	instances := func(body, code, says string) badInput {
		return badInput{"instances/" + body, message{Method: "POST", Path: "/csms/resource_instances/action", Body: body}, 400, code, says}
	}
	return []badInput{
		create(`{"value":"v"}`, badParam, "1 to 128"),
		create(`{"key":"`+strings.Repeat("é", 129)+`"}`, badParam, "1 to 128"),
		create(`{"key":"k","value":"`+strings.Repeat("é", 256)+`"}`, badParam, "255"),
		create(`{"key":" k"}`, badParam, "space"),
		create(`{"key":"k "}`, badParam, "space"),
		create(`{"key":"a/b"}`, badParam, "letters"),
		create(`{"key":"k","value":"a,b"}`, badParam, "letters"),
		create(`{"key":"_sys_k"}`, badParam, "_sys_"),
		create(`{"key":"k","Value":"v"}`, badFormat, "does not know"),
		create(`null`, badFormat, ""),
		create(`[]`, badFormat, ""),
		batch("no tags", `{"action":"create","tags":[]}`, badParam, "1 to 20"),
		batch("many", `{"action":"create","tags":[`+strings.Join(many, ",")+`]}`, badParam, "1 to 20"),
		batch("twice", `{"action":"create","tags":[{"key":"k"},{"key":"k","value":"v"}]}`, badParam, "twice"),
		batch("action", `{"action":"update","tags":[{"key":"k"}]}`, badParam, "neither"),
		batch("no action", `{"tags":[{"key":"k"}]}`, badParam, "neither"),
		{"delete of the service's own", message{Method: "DELETE", Path: of + "/_sys_x"}, 400, badParam, "_sys_"},
		{"delete absent", message{Method: "DELETE", Path: of + "/none"}, 404, "CSMS.0005", ""},
		at("/csms/bb6a3d22-dc93-47ac-b5bd-88df7ad35f1e/tags", 404, "CSMS.0005"),
		at("/csms/taken/tags", 400, badParam),
		at("/csms/"+strings.ToUpper(shown.Secret.ID)+"/tags", 404, "CSMS.0005"),
		instances(`{}`, badParam, "neither"),
		instances(`{"action":"filter","limit":"1001"}`, badParam, "limit"),
		instances(`{"action":"filter","limit":1001}`, badParam, "limit"),
		instances(`{"action":"filter","limit":0}`, badParam, "limit"),
		instances(`{"action":"filter","limit":"ten"}`, badParam, "limit"),
		instances(`{"action":"filter","limit":1.5}`, badFormat, ""),
		instances(`{"action":"filter","limit":1e1}`, badFormat, ""),
		instances(`{"action":"filter","limit":true}`, badFormat, ""),
		instances(`{"action":"filter","limit":[1]}`, badFormat, ""),
		instances(`{"action":"filter","limit":99999999999999999999}`, badFormat, ""),
		instances(`{"action":"filter","offset":"-1"}`, badParam, "offset"),
		instances(`{"action":"filter","offset":-1}`, badParam, "offset"),
		instances(`{"action":"filter","offset":{}}`, badFormat, ""),
		instances(`{"action":"filter","tags":[{"values":["v"]}]}`, badParam, "a key"),
		instances(`{"action":"filter","tags":[`+strings.Repeat(`{"key":"k"},`, 10)+`{"key":"k"}]}`, badParam, "at most 10"),
		instances(`{"action":"filter","matches":[{"key":"name","value":"x"}]}`, badParam, "resource_name"),
	}
}
