package e2e

import (
	"net/http"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	azNoToken  = "AKV10000: Request is missing a Bearer or PoP token."
	azBadToken = "AKV10046: Unable to resolve the key used for signature validation."
)

// badCredentials: nobody is told whether the secret is there, and the audit
// names no caller.
var badCredentials = []badRow{
	{"none", azAs("", azNoToken), hwAs(func(_ *badWorld, r *http.Request) { r.Header.Del("Authorization") }, "x-auth-token not found")},
	{"wrong token", azAs("Bearer wrong", azBadToken), hwAs(hwToken("wrong"), "decrypt token fail")},
	{"empty token", azAs("Bearer ", azNoToken), hwAs(hwToken(""), "decrypt token fail")},
	{"no token after the scheme", azAs("Bearer", azNoToken), nil},
	{
		"the token in upper case",
		azAsWorld(func(w *badWorld, r *http.Request) { r.Header.Set("Authorization", "Bearer "+strings.ToUpper(w.Token)) }, azBadToken),
		hwAs(func(w *badWorld, r *http.Request) { hwToken(strings.ToUpper(w.Token))(w, r) }, "decrypt token fail"),
	},
	{
		"another scheme", azAsWorld(func(w *badWorld, r *http.Request) { r.SetBasicAuth(w.Token, w.Token) }, azNoToken),
		hwAs(func(w *badWorld, r *http.Request) { r.Header.Set("Authorization", "Bearer "+w.Token) }, "verify aksk signature fail"),
	},
	{
		"two, one of them right",
		azAsWorld(func(_ *badWorld, r *http.Request) { r.Header.Add("Authorization", "Bearer wrong") }, azNoToken),
		hwAs(func(_ *badWorld, r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, "more than one Authorization header"),
	},
	{"two tokens", nil, hwAs(func(w *badWorld, r *http.Request) {
		hwToken(w.Token)(w, r)
		r.Header.Add("X-Auth-Token", "wrong")
	}, "more than one X-Auth-Token header")},
	{"the other vendor's header", azAsWorld(func(w *badWorld, r *http.Request) { hwToken(w.Token)(w, r) }, azNoToken), nil},
	{"the token in the query", &exchange{
		method: httpGet, path: "/secrets/taken", query: "api-version=7.4&access_token=x", status: 401, code: "Unauthorized", message: azNoToken,
		change: func(_ *badWorld, r *http.Request) { r.Header.Del("Authorization") }, audit: refusing("azure.GetSecret", "-", "main/taken", "unauthenticated"),
	}, nil},
	{"wrong signature", nil, hwAs(func(_ *badWorld, r *http.Request) {
		a := r.Header.Get("Authorization")
		last := "0"
		if strings.HasSuffix(a, last) {
			last = "1"
		}
		r.Header.Set("Authorization", a[:len(a)-1]+last)
	}, "verify aksk signature fail, the signature does not match")},
	{"wrong signature, right token", nil, hwAs(func(w *badWorld, r *http.Request) {
		sdkSign(w, r, w.AccessKey, "wrong", time.Now())
		r.Header.Set("X-Auth-Token", w.Token)
	}, "verify aksk signature fail")},
	{"signature of another secret", nil, hwAs(func(w *badWorld, r *http.Request) { sdkSign(w, r, w.AccessKey, "wrong", time.Now()) }, "the signature does not match")},
	{"unknown access key", nil, hwAs(func(w *badWorld, r *http.Request) { sdkSign(w, r, "AKNOBODY", w.SecretKey, time.Now()) }, "ak not exist")},
	{"empty secret of an unknown access key", nil, hwAs(func(w *badWorld, r *http.Request) { sdkSign(w, r, "AKNOBODY", " ", time.Now()) }, "ak not exist")},
	{"signature cut", nil, hwAs(func(_ *badWorld, r *http.Request) {
		a := r.Header.Get("Authorization")
		r.Header.Set("Authorization", a[:len(a)-2])
	}, "the Authorization header is malformed")},
	{"another algorithm", nil, hwAs(func(_ *badWorld, r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "SDK-HMAC-SHA256", "SDK-HMAC-SM3", 1))
	}, "the algorithm must be SDK-HMAC-SHA256")},
	{"stale date", nil, hwAs(func(w *badWorld, r *http.Request) {
		sdkSign(w, r, w.AccessKey, w.SecretKey, time.Now().Add(-15*time.Minute-10*time.Second))
	}, "within 15 minutes of now")},
	{"date of tomorrow", nil, hwAs(func(w *badWorld, r *http.Request) {
		sdkSign(w, r, w.AccessKey, w.SecretKey, time.Now().Add(24*time.Hour))
	}, "within 15 minutes of now")},
	{"date changed", nil, hwAs(func(_ *badWorld, r *http.Request) {
		r.Header.Set("X-Sdk-Date", time.Now().Add(3*time.Second).UTC().Format("20060102T150405Z"))
	}, "the signature does not match")},
	{"no date", nil, hwAs(func(_ *badWorld, r *http.Request) { r.Header.Del("X-Sdk-Date") }, "X-Sdk-Date must be signed")},
	{"two dates", nil, hwAs(func(_ *badWorld, r *http.Request) { r.Header.Add("X-Sdk-Date", r.Header.Get("X-Sdk-Date")) }, "X-Sdk-Date must be signed")},
	{"query changed", nil, hwAs(func(_ *badWorld, r *http.Request) { r.URL.RawQuery = "limit=1" }, "the signature does not match")},
	{"method changed", nil, &exchange{
		method: httpGet, path: "/secrets/taken", status: 401, code: "APIGW.0301", message: "the signature does not match",
		change: func(_ *badWorld, r *http.Request) { r.Method = http.MethodDelete }, audit: refusing("huawei.DeleteSecret", "-", "main/taken", "unauthenticated"),
	}},
	{"path changed", nil, &exchange{
		method: httpGet, path: "/secrets/nobody", status: 401, code: "APIGW.0301", message: "the signature does not match",
		change: func(_ *badWorld, r *http.Request) { r.URL.Path = strings.Replace(r.URL.Path, "nobody", "taken", 1) }, audit: refusing("huawei.ShowSecret", "-", "main/taken", "unauthenticated"),
	}},
	{"body changed", nil, &exchange{
		method: httpPost, path: "/secrets", body: `{"name":"new","secret_string":"` + hush + `"}`, status: 401, code: "APIGW.0301", message: "the signature does not match",
		change: func(_ *badWorld, r *http.Request) {
			r.Body = http.NoBody
			r.ContentLength = 0
		}, audit: refusing("huawei.CreateSecret", "-", "main/-", "unauthenticated"),
	}},
	{"body not signed", nil, &exchange{
		method: httpPost, path: "/secrets", body: `{"name":"new","secret_string":"` + hush + `"}`, status: 401, code: "APIGW.0301", message: "the body must be signed",
		change: func(w *badWorld, r *http.Request) {
			r.Header.Set(sdkhmac.HeaderSHA256, sdkhmac.UnsignedPayload)
			sdkSign(w, r, w.AccessKey, w.SecretKey, time.Now())
		}, audit: refusing("huawei.CreateSecret", "-", "main/-", "unauthenticated"),
	}},
}

// azAs sends this Authorization header, or none.
func azAs(header, message string) *exchange {
	return azAsWorld(func(_ *badWorld, r *http.Request) {
		r.Header.Del("Authorization")
		if header != "" {
			r.Header.Set("Authorization", header)
		}
	}, message)
}

func azAsWorld(change func(*badWorld, *http.Request), message string) *exchange {
	return &exchange{
		method: httpGet, path: "/secrets/taken", change: change, status: 401, code: "Unauthorized", message: message,
		audit: refusing("azure.GetSecret", "-", "main/taken", "unauthenticated"),
	}
}

func hwAs(change func(*badWorld, *http.Request), message string) *exchange {
	return &exchange{
		method: httpGet, path: "/secrets/taken", change: change, status: 401, code: "APIGW.0301",
		message: message, audit: refusing("huawei.ShowSecret", "-", "main/taken", "unauthenticated"),
	}
}

// hwToken sends a token in place of the signature.
func hwToken(token string) func(*badWorld, *http.Request) {
	return func(_ *badWorld, r *http.Request) {
		r.Header.Del("Authorization")
		r.Header["X-Auth-Token"] = []string{token}
	}
}

func sdkSign(_ *badWorld, r *http.Request, id, sk string, at time.Time) {
	r.Header.Del("X-Sdk-Date")
	if err := sdkhmac.Sign(r, nil, id, secret.TextValue(sk), at); err != nil {
		panic(err)
	}
}
