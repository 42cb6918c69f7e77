package e2e

import (
	"net/http"
	"strings"
)

const (
	httpGet, httpPut, httpPost = http.MethodGet, http.MethodPut, http.MethodPost

	azInvalid   = "Property  has invalid value\r\n"
	azNoObject  = "body: not a JSON object"
	azEmpty     = "body: empty"
	azNoUTF8    = "body: not valid UTF-8"
	azNoValue   = "value: missing"
	azManyTags  = "tags: 16, at most 15"
	azPageSize  = "maxresults: not a number from 1 to 25"
	azAbsent    = "was not found in this key vault. If you recently deleted this secret"
	hwInvalid   = "The value of parameter is invalid."
	hwFormat    = "The requested body format is wrong."
	hwAbsent    = "The secret name not found int the db."
	hwNoVersion = "The resource does not exist."
)

// badNames: a name that is not there is told from one that cannot be.
var badNames = []badRow{
	{
		"unknown, read",
		&exchange{
			method: httpGet, path: "/secrets/nobody", status: 404, code: "SecretNotFound", message: "(name/id) nobody " + azAbsent,
			audit: reading("azure.GetSecret", "get", "main/nobody", "not found"),
		},
		&exchange{
			method: httpGet, path: "/secrets/nobody", status: 404, code: "CSMS.0106", message: hwAbsent,
			audit: reading("huawei.ShowSecret", "list", "main/nobody", "not found"),
		},
	},
	{
		"unknown, value",
		nil,
		&exchange{
			method: httpGet, path: "/secrets/nobody/versions/latest", status: 404, code: "CSMS.0005", message: hwNoVersion,
			audit: reading("huawei.ShowSecretVersion", "get", "main/nobody", "not found"),
		},
	},
	{
		"unknown, new version",
		nil, // a set creates it
		&exchange{
			method: httpPost, path: "/secrets/nobody/versions", body: `{"secret_string":"` + hush + `"}`, status: 404, code: "CSMS.0106", message: hwAbsent,
			audit: writing("huawei.CreateSecretVersion", "set", "main/nobody", "not found"),
		},
	},
	{
		"unknown, backup",
		&exchange{
			method: httpPost, path: "/secrets/nobody/backup", status: 404, code: "SecretNotFound", message: "(name/id) nobody " + azAbsent,
			audit: reading("azure.BackupSecret", "backup", "main/nobody", "not found"),
		},
		&exchange{
			method: httpPost, path: "/secrets/nobody/backup", status: 404, code: "CSMS.0106", message: hwAbsent,
			audit: reading("huawei.DownloadSecretBlob", "backup", "main/nobody", "not found"),
		},
	},
	{
		"unknown version",
		&exchange{
			method: httpGet, path: "/secrets/taken/0123456789abcdef0123456789abcdef", status: 404, code: "SecretNotFound",
			message: "(name/id) taken/0123456789abcdef0123456789abcdef " + azAbsent, audit: reading("azure.GetSecret", "get", "main/taken", "not found"),
		},
		&exchange{
			method: httpGet, path: "/secrets/taken/versions/v99", status: 404, code: "CSMS.0005", message: hwNoVersion,
			audit: reading("huawei.ShowSecretVersion", "get", "main/taken", "not found"),
		},
	},
	{
		"malformed version",
		&exchange{
			method: httpGet, path: "/secrets/taken/00000000000000000000000000000000", status: 404, code: "SecretNotFound", message: azAbsent,
			audit: refusing("azure.GetSecret", "tester", "main/taken", "not found"),
		},
		&exchange{
			method: httpGet, path: "/secrets/taken/versions/1", status: 400, code: "CSMS.0002", message: hwInvalid,
			audit: refusing("huawei.ShowSecretVersion", "tester", "main/taken", "invalid"),
		},
	},
	{
		"a character too many kinds",
		&exchange{
			method: httpPut, path: "/secrets/under_score", body: `{"value":"` + hush + `"}`, status: 400, code: "BadParameter",
			message: "The request URI contains an invalid name: under_score", audit: refusing("azure.SetSecret", "tester", "main/-", "invalid"),
		},
		&exchange{
			method: httpPost, path: "/secrets", body: `{"name":"with space","secret_string":"` + hush + `"}`, status: 400, code: "CSMS.0002", message: hwInvalid,
			audit: refusing("huawei.CreateSecret", "tester", "main/-", "invalid"),
		},
	},
	{
		"a slash in one segment",
		&exchange{
			method: httpGet, path: "/secrets/a%2Fb", status: 400, code: "BadParameter", message: "The request URI contains an invalid name: a/b",
			audit: refusing("azure.GetSecret", "tester", "main/-", "invalid"),
		},
		&exchange{
			method: httpGet, path: "/secrets/a%2Fb", status: 400, code: "CSMS.0002", message: hwInvalid,
			audit: refusing("huawei.ShowSecret", "tester", "main/-", "invalid"),
		},
	},
	{
		"dots that climb",
		&exchange{
			method: httpGet, path: "/secrets/..%2F..%2Ftaken", status: 400, code: "BadParameter", message: "The request URI contains an invalid name: ",
			audit: refusing("azure.GetSecret", "tester", "main/-", "invalid"),
		},
		&exchange{
			method: httpGet, path: "/secrets/..%2F..%2Ftaken", status: 400, code: "CSMS.0002", message: hwInvalid,
			audit: refusing("huawei.ShowSecret", "tester", "main/-", "invalid"),
		},
	},
	{
		"a zero byte",
		&exchange{
			method: httpGet, path: "/secrets/taken%00", status: 400, code: "BadParameter", message: "The request URI contains an invalid name: taken",
			audit: refusing("azure.GetSecret", "tester", "main/-", "invalid"),
		},
		&exchange{
			method: httpGet, path: "/secrets/taken%00", status: 400, code: "CSMS.0002", message: hwInvalid,
			audit: refusing("huawei.ShowSecret", "tester", "main/-", "invalid"),
		},
	},
	{
		"a look-alike", // the Kelvin sign, which folds to a k
		&exchange{
			method: httpGet, path: "/secrets/ta%E2%84%AAen", status: 400, code: "BadParameter", message: "The request URI contains an invalid name: ta\u212Aen",
			audit: refusing("azure.GetSecret", "tester", "main/-", "invalid"),
		},
		&exchange{
			method: httpGet, path: "/secrets/ta%E2%84%AAen", status: 400, code: "CSMS.0002", message: hwInvalid,
			audit: refusing("huawei.ShowSecret", "tester", "main/-", "invalid"),
		},
	},
	{
		"too long",
		&exchange{
			method: httpGet, path: "/secrets/" + strings.Repeat("n", 128), status: 400, code: "BadParameter", message: "The request URI contains an invalid name: nnn",
			audit: refusing("azure.GetSecret", "tester", "main/-", "invalid"),
		},
		&exchange{
			method: httpGet, path: "/secrets/" + strings.Repeat("n", 65), status: 400, code: "CSMS.0002", message: hwInvalid,
			audit: refusing("huawei.ShowSecret", "tester", "main/-", "invalid"),
		},
	},
	{
		"far too long",
		&exchange{
			method: httpGet, path: "/secrets/" + strings.Repeat("n", 100_000), status: 400, code: "BadParameter", message: "The request URI contains an invalid name: nnn",
			audit: refusing("azure.GetSecret", "tester", "main/-", "invalid"),
		},
		&exchange{
			method: httpGet, path: "/secrets/" + strings.Repeat("n", 100_000), status: 400, code: "CSMS.0002", message: hwInvalid,
			audit: refusing("huawei.ShowSecret", "tester", "main/-", "invalid"),
		},
	},
	{
		"none",
		&exchange{
			method: httpPut, path: "/secrets/", body: `{"value":"` + hush + `"}`, status: 405, code: "MethodNotAllowed", message: "HTTP PUT not allowed",
			audit: refusing("azure.Unknown", "tester", "main/-", "invalid"),
		},
		&exchange{
			method: httpPost, path: "/secrets", body: `{"secret_string":"` + hush + `"}`, status: 400, code: "CSMS.0002", message: hwInvalid,
			audit: refusing("huawei.CreateSecret", "tester", "main/-", "invalid"),
		},
	},
}

// badBodies hold a value each, which must not come back.
var badBodies = []badRow{
	{
		"value too large", azSet(`{"value":"`+hush+strings.Repeat("x", 25_601-len(hush))+`"}`, 400, azInvalid),
		hwCreate(`{"name":"new","secret_string":"`+hush+strings.Repeat("x", 32_769-len(hush))+`"}`, 400, "CSMS.0002", hwInvalid),
	},
	{"cut in the middle", azSet(`{"value":"`+hush, 400, azNoObject), hwCreate(`{"name":"new","secret_string":"`+hush, 400, "CSMS.0004", hwFormat)},
	{"cut before its end", azSet(`{"value":"`+hush+`"`, 400, azNoObject), hwCreate(`{"name":"new","secret_string":"`+hush+`"`, 400, "CSMS.0004", hwFormat)},
	{"two objects", azSet(`{"value":"`+hush+`"}{}`, 400, azNoObject), hwCreate(`{"name":"new","secret_string":"`+hush+`"}{}`, 400, "CSMS.0004", hwFormat)},
	{"an array", azSet(`["`+hush+`"]`, 400, azNoObject), hwCreate(`["`+hush+`"]`, 400, "CSMS.0004", hwFormat)},
	{"a string", azSet(`"`+hush+`"`, 400, azNoObject), hwCreate(`"`+hush+`"`, 400, "CSMS.0004", hwFormat)},
	{"null", azSet(`null`, 400, azNoObject), hwCreate(`null`, 400, "CSMS.0004", hwFormat)},
	{"none at all", azSet(``, 400, azEmpty), hwCreate(``, 400, "CSMS.0004", hwFormat)},
	{"not JSON", azSet(`value=`+hush, 400, azNoObject), hwCreate(`name=new&secret_string=`+hush, 400, "CSMS.0004", hwFormat)},
	{"a value of another type", azSet(`{"value":["`+hush+`"]}`, 400, azInvalid), hwCreate(`{"name":"new","secret_string":["`+hush+`"]}`, 400, "CSMS.0004", hwFormat)},
	{"no value", azSet(`{"tags":{"a":"`+hush+`"}}`, 400, azNoValue), hwCreate(`{"name":"new","description":"`+hush+`"}`, 400, "CSMS.0002", hwInvalid)},
	{
		"the value twice", azSet(`{"value":"`+hush+`","Value":"x"}`, 400, azInvalid),
		hwCreate(`{"name":"new","secret_string":"`+hush+`","secret_string":"x"}`, 400, "CSMS.0004", hwFormat),
	},
	{"half a character", azSet(`{"value":"`+hush+`\ud83d"}`, 400, azInvalid), hwCreate(`{"name":"new","secret_string":"`+hush+`\ud83d"}`, 400, "CSMS.0004", hwFormat)},
	{"no UTF-8", azSet("{\"value\":\""+hush+"\xff\"}", 400, azNoUTF8), hwCreate("{\"name\":\"new\",\"secret_string\":\""+hush+"\xff\"}", 400, "CSMS.0004", hwFormat)},
	{"UTF-16", azSet("\xff\xfe{\x00}\x00", 400, "body: UTF-16: send UTF-8"), hwCreate("\xff\xfe{\x00}\x00", 400, "CSMS.0004", hwFormat+" (the body is UTF-16: send UTF-8)")},
	{"compressed", compressed(azSet("\x1f\x8b"+hush, 400, "body: encoded, as its Content-Encoding says: send it as it is")), compressed(hwCreate("\x1f\x8b"+hush, 400, "CSMS.0004", hwFormat+" (the body is encoded, as its Content-Encoding says: send it as it is)"))},
	{"unknown member", nil, // azure passes over them: see TestUnknownMembers
		hwCreate(`{"name":"new","secret_string":"`+hush+`","`+hush+`":1}`, 400, "CSMS.0004", hwFormat)},
	{"text and binary", nil, hwCreate(`{"name":"new","secret_string":"`+hush+`","secret_binary":"AAAA"}`, 400, "CSMS.0002", hwInvalid)},
	{"sixteen tags", azSet(`{"value":"`+hush+`","tags":{`+manyTags(16)+`}}`, 400, azManyTags), nil},
	{"deep", azSet(`{"value":`+strings.Repeat(`[`, 200_000)+`"`+hush, 400, azNoObject), hwCreate(`{"name":`+strings.Repeat(`[`, 200_000)+`"`+hush, 400, "CSMS.0004", hwFormat)},
	{
		"over the limit of the body", azOver(&exchange{method: httpPut, path: "/secrets/new", body: `{"value":"` + hush + strings.Repeat(" ", 600<<10)}, "azure.SetSecret"),
		hwOver(&exchange{method: httpPost, path: "/secrets", body: `{"name":"` + hush + strings.Repeat(" ", 2<<20)}, "huawei.CreateSecret"),
	},
	{
		"over the limit, in chunks", azOver(&exchange{method: httpPut, path: "/secrets/new", body: `{"value":"` + hush + strings.Repeat(" ", 600<<10), change: inChunks}, "azure.SetSecret"),
		hwOver(&exchange{method: httpPost, path: "/secrets", body: `{"name":"` + hush + strings.Repeat(" ", 2<<20), change: inChunks}, "huawei.CreateSecret"),
	},
}

func azSet(body string, status int, message string) *exchange {
	return &exchange{
		method: httpPut, path: "/secrets/new", body: body, status: status, code: "BadParameter", message: message,
		audit: refusing("azure.SetSecret", "tester", "main/new", "invalid"),
	}
}

func hwCreate(body string, status int, code, message string) *exchange {
	return &exchange{
		method: httpPost, path: "/secrets", body: body, status: status, code: code, message: message,
		audit: refusing("huawei.CreateSecret", "tester", "main/-", "invalid"),
	}
}

func azOver(x *exchange, op string) *exchange {
	x.status, x.code, x.message = 413, "BadParameter", "The request body is too large."
	x.audit = refusing(op, "tester", "main/new", "too large")
	return x
}

// hwOver: the body is part of what proves the caller, who stays unknown.
func hwOver(x *exchange, op string) *exchange {
	x.status, x.code, x.message = 413, "APIGW.0201", "Request entity too large."
	x.audit = refusing(op, "-", "main/-", "too large")
	return x
}

// compressed has the body be compressed, as it is said.
func compressed(x *exchange) *exchange {
	x.change = func(_ *badWorld, r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }
	return x
}

// inChunks hides the length.
func inChunks(_ *badWorld, r *http.Request) { r.ContentLength = -1 }

func manyTags(n int) string {
	var tags []string
	for i := range n {
		tags = append(tags, `"`+strings.Repeat("t", i+1)+`":"`+hush+`"`)
	}
	return strings.Join(tags, ",")
}

// badRequests fail before any secret matters.
var badRequests = []badRow{
	{"no api-version", azGet("other=1", "api-version"), nil},
	{"unknown api-version", azGet("api-version=7.40", "The specified version (7.40) is not recognized."), nil},
	{"api-version of the future", azGet("api-version=2999-01-01", "The specified version (2999-01-01) is not recognized."), nil},
	{"unknown version of the API", nil, &exchange{
		method: httpGet, path: "/../../v3/x/secrets", status: 404, code: "APIGW.0101", message: "The API does not exist",
		change: func(_ *badWorld, r *http.Request) { r.URL.Path = "/v3/x/secrets" }, audit: refusing("huawei.Unknown", "-", "-/-", "not found"),
	}},
	{
		"unknown vault or project",
		&exchange{
			store: "nowhere", method: httpGet, path: "/secrets/taken", status: 403, code: "Forbidden", inner: "ForbiddenByPolicy", message: "does not have secrets get permission on key vault 'nowhere;",
			audit: refusing("azure.GetSecret", "tester", "-/taken", "denied"),
		},
		&exchange{
			store: "nowhere", method: httpGet, path: "/secrets/taken", status: 403, code: "CSMS.0302", message: "The request is not permitted.",
			audit: refusing("huawei.ShowSecret", "tester", "-/taken", "denied"),
		},
	},
	{
		"unknown path",
		&exchange{
			method: httpGet, path: "/nothing/taken", status: 404, code: "NotFound", message: "The requested resource was not found.",
			audit: refusing("azure.Unknown", "tester", "main/-", "not found"),
		},
		&exchange{
			method: httpGet, path: "/keys/taken", status: 404, code: "APIGW.0101", message: "The API does not exist",
			audit: refusing("huawei.Unknown", "-", "-/-", "not found"),
		},
	},
	{
		"unknown method",
		&exchange{
			method: "BREW", path: "/secrets/taken", status: 405, code: "MethodNotAllowed", message: "HTTP BREW not allowed",
			audit: refusing("azure.Unknown", "tester", "main/taken", "invalid"),
		},
		&exchange{
			method: "BREW", path: "/secrets/taken", status: 404, code: "APIGW.0101", message: "The API does not exist",
			audit: refusing("huawei.Unknown", "-", "main/taken", "invalid"),
		},
	},
	{"two slashes", nil, // azure takes them for one: see TestPathForms
		&exchange{
			method: httpGet, path: "//secrets/taken", status: 404, code: "APIGW.0101", message: "The API does not exist",
			audit: refusing("huawei.Unknown", "-", "-/-", "not found"),
		}},
	{
		"a value that is disabled",
		&exchange{
			method: httpGet, path: "/secrets/off", status: 403, code: "Forbidden", inner: "SecretDisabled", message: "Operation get is not allowed on a disabled secret.",
			audit: reading("azure.GetSecret", "get", "main/off", "disabled"),
		},
		&exchange{
			method: httpGet, path: "/secrets/off/versions/latest", status: 403, code: "CSMS.0109", message: "The secret state is not enabled.",
			audit: reading("huawei.ShowSecretVersion", "get", "main/off", "disabled"),
		},
	},
	{
		"a page size that is none",
		&exchange{
			method: httpGet, path: "/secrets", query: "api-version=7.4&maxresults=0", status: 400, code: "BadParameter", message: azPageSize,
			audit: refusing("azure.ListSecrets", "tester", "main/-", "invalid"),
		},
		&exchange{
			method: httpGet, path: "/secrets", query: "limit=0", status: 400, code: "CSMS.0002", message: "limit is not between 1 and",
			audit: refusing("huawei.ListSecrets", "tester", "main/-", "invalid"),
		},
	},
	{"a name that is taken", nil, // azure makes a version of it
		&exchange{
			method: httpPost, path: "/secrets", body: `{"name":"taken","secret_string":"` + hush + `"}`, status: 400, code: "CSMS.0101", message: "The secret name already exists.",
			audit: writing("huawei.CreateSecret", "set", "main/taken", "already exists"),
		}},
	{
		"not served",
		&exchange{
			method: httpGet, path: "/keys/taken", status: 400, code: "NotSupported", message: "Operations on keys are not enabled for this vault",
			audit: refusing("azure.Unknown", "tester", "main/-", "unsupported"),
		},
		&exchange{
			method: httpGet, path: "/csms/grants", status: 400, code: "CSMS.0003", message: "The request is invalid.",
			audit: refusing("huawei.ListGrants", "tester", "main/-", "unsupported"),
		},
	},
}

func azGet(query, message string) *exchange {
	return &exchange{
		method: httpGet, path: "/secrets/taken", query: query, status: 400, code: "BadParameter", message: message,
		audit: refusing("azure.GetSecret", "tester", "main/taken", "invalid"),
	}
}
