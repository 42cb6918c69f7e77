package huawei_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/signer/algorithm"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/httphandler"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/region"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/request"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// sdkWith is a client that signs in another way, and what it sent as
// Authorization last.
func sdkWith(t *testing.T, g *gatewaytest.Gateway, sk string, alg algorithm.SigningAlgorithm, derived bool) (client *csms.CsmsClient, sent *string) {
	t.Helper()
	transport, ok := g.Client.Transport.(*http.Transport)
	if !ok {
		t.Fatal("the gateway's client has no *http.Transport")
	}
	sent = new(string)
	cred, err := basic.NewCredentialsBuilder().WithAk(g.AccessKey).WithSk(sk).WithProjectId(gatewaytest.Project("a")).
		WithDerivedPredicate(func(*request.DefaultHttpRequest) bool { return derived }).SafeBuild()
	must(t, err)
	watch := httphandler.NewHttpHandler().AddRequestHandler(func(r http.Request) { *sent = r.Header.Get("Authorization") })
	hc, err := csms.CsmsClientBuilder().WithRegion(region.NewRegion("gateway-1", g.Endpoint())).WithDerivedAuthServiceName("csms").
		WithCredential(cred).WithHttpConfig(config.DefaultHttpConfig().
		WithHttpTransport(transport).WithHttpHandler(watch).WithSigningAlgorithm(alg)).SafeBuild()
	must(t, err)
	return csms.NewCsmsClient(hc), sent
}

// TestSDKDerived: the SDK signs with a derived key where it is told to.
func TestSDKDerived(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	c, sent := sdkWith(t, g, g.SecretKey, algorithm.HmacSHA256, true)
	_, err := c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: "n", SecretString: ptr("<&>\u00e4")}})
	must(t, err)
	got, err := c.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: "n", VersionId: "latest"})
	must(t, err)
	if *got.Version.SecretString != "<&>\u00e4" {
		t.Error("the value differs")
	}
	_, err = c.ListSecrets(&model.ListSecretsRequest{Limit: ptr("2"), Marker: ptr("a b")})
	wantError(t, err, 400, "CSMS.0002") // rightly signed
	if !strings.HasPrefix(*sent, "V11-HMAC-SHA256 Credential="+g.AccessKey+"/") || !strings.Contains(*sent, "/gateway-1/csms, ") {
		t.Errorf("it was not signed in the derived form, but %q", (*sent)[:20])
	}
	c, _ = sdkWith(t, g, g.SecretKey+"x", algorithm.HmacSHA256, true)
	_, err = c.ListSecrets(&model.ListSecretsRequest{})
	wantError(t, err, 401, "APIGW.0301")
}

// TestSDKOtherAlgorithms: what is not accepted is told what is.
func TestSDKOtherAlgorithms(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	for alg, word := range map[algorithm.SigningAlgorithm]string{
		algorithm.HmacSHA256:      "SDK-HMAC-SHA256 ",
		algorithm.HmacSM3:         "SDK-HMAC-SM3 ",
		algorithm.EcdsaP256SHA256: "SDK-ECDSA-P256-SHA256 ",
		algorithm.SM2SM3:          "SDK-SM2-SM3 ",
	} {
		c, sent := sdkWith(t, g, g.SecretKey, alg, false)
		_, err := c.ListSecrets(&model.ListSecretsRequest{})
		if !strings.HasPrefix(*sent, word) {
			t.Errorf("%s was signed with %q", alg, *sent)
		}
		if alg == algorithm.HmacSHA256 {
			must(t, err)
			continue
		}
		wantError(t, err, 401, "APIGW.0301")
		if !strings.Contains(err.Error(), "the algorithm must be SDK-HMAC-SHA256 or V11-HMAC-SHA256") {
			t.Errorf("%s: %v", alg, err)
		}
	}
}
