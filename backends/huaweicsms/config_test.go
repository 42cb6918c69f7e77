package huaweicsms

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

func goodConfig() *Config {
	c := &Config{
		Endpoint: "https://kms.cn-north-4.myhuaweicloud.com", ProjectID: project,
		AccessKey: AccessKey{ID: "AK", Secret: secret.TextValue("canary-sk")},
	}
	c.SetDefaults()
	return c
}

func credential(k Credential) func(*Config) {
	return func(c *Config) { c.AccessKey, c.Credential = AccessKey{}, &k }
}

func TestValidate(t *testing.T) {
	t.Parallel()
	federation := Credential{Kind: "federation", IdPID: "i", TokenFile: "f", IAMEndpoint: "https://iam.cn-north-4.myhuaweicloud.com"}
	plain, deep := federation, federation
	plain.IAMEndpoint, deep.IAMEndpoint = "http://iam.cn-north-4.myhuaweicloud.com", federation.IAMEndpoint+"/v3"
	for _, c := range []struct {
		change func(*Config)
		want   []string // key paths of the problems
	}{
		{func(*Config) {}, nil},
		{func(c *Config) { c.Endpoint = "https://127.0.0.1:8443/" }, nil},
		{func(c *Config) { c.EnterpriseProjectID, c.KMSKeyID = "0", id }, nil},
		{func(c *Config) { c.EnterpriseProjectID, c.SecurityToken = id, secret.TextValue("t") }, nil},
		{func(c *Config) { c.ExtraCAFile = "f" }, nil},
		{func(c *Config) { c.CAFile, c.ExtraCAFile = "f", "f" }, []string{"ca_file"}},
		{func(c *Config) { c.Endpoint = "" }, []string{"endpoint"}},
		{func(c *Config) { c.Endpoint = "kms.cn-north-4.myhuaweicloud.com" }, []string{"endpoint"}},
		{func(c *Config) { c.Endpoint = "http://kms.cn-north-4.myhuaweicloud.com" }, []string{"endpoint"}},
		{func(c *Config) { c.Endpoint = "https://kms.example/v1" }, []string{"endpoint"}},
		{func(c *Config) { c.Endpoint = "https://a:b@kms.example" }, []string{"endpoint"}},
		{func(c *Config) { c.ProjectID = "cn-north-4" }, []string{"project_id"}},
		{func(c *Config) { c.ProjectID = project[:31] + "/" }, []string{"project_id"}},
		{func(c *Config) { c.EnterpriseProjectID = "default" }, []string{"enterprise_project_id"}},
		{func(c *Config) { c.KMSKeyID = "csms/default" }, []string{"kms_key_id"}},
		{func(c *Config) { *c = Config{} }, []string{"endpoint", "project_id", "access_key"}},
		{func(c *Config) { c.AccessKey.ID = "" }, []string{"access_key.id"}},
		{func(c *Config) { c.AccessKey.Secret = secret.Value{} }, []string{"access_key.secret"}},
		{func(c *Config) { c.Credential = &Credential{Kind: "metadata"} }, []string{"access_key"}},
		{credential(Credential{Kind: "metadata"}), nil},
		{credential(Credential{Kind: "pod_identity"}), nil},
		{credential(federation), nil},
		{credential(Credential{}), []string{"credential.kind"}},
		{credential(Credential{Kind: "profile"}), []string{"credential.kind"}},
		{credential(Credential{Kind: "federation"}), []string{"credential.idp_id", "credential.token_file", "credential.iam_endpoint"}},
		{credential(Credential{Kind: "metadata", IdPID: "i"}), []string{"credential.idp_id"}},
		{credential(Credential{Kind: "pod_identity", TokenFile: "f", IAMEndpoint: "x"}), []string{"credential.iam_endpoint", "credential.token_file"}},
		{credential(plain), []string{"credential.iam_endpoint"}},
		{credential(deep), []string{"credential.iam_endpoint"}},
		{func(c *Config) { credential(federation)(c); c.SecurityToken = secret.TextValue("canary") }, []string{"security_token"}},
	} {
		conf := goodConfig()
		c.change(conf)
		err := conf.Validate()
		var got []string
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				key, _, _ := strings.Cut(line, ":")
				got = append(got, key)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Error("a problem shows the secret key")
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("problems %v, want %v", got, c.want)
		}
	}
}

func TestBadCA(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".absent"} {
		for key, change := range map[string]func(*Config){
			"ca_file: ":       func(c *Config) { c.CAFile = file },
			"extra_ca_file: ": func(c *Config) { c.ExtraCAFile = file },
		} {
			c := goodConfig()
			change(c)
			_, err := New(backends.Env{Store: "test"}, c)
			if err == nil || !strings.HasPrefix(err.Error(), key) {
				t.Errorf("%s%v", key, err)
			}
			if file != empty && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a file that is not there: %v", err)
			}
		}
	}
}

// TestPodEnvironment: what CCE did not set is told when the store is opened.
func TestPodEnvironment(t *testing.T) {
	for _, c := range []struct{ endpoint, file, want string }{
		{"", "f", podEndpoint}, {"http://127.0.0.1/x", "", podTokenFile}, {"127.0.0.1", "f", podEndpoint}, {"ftp://127.0.0.1", "f", podEndpoint},
	} {
		t.Setenv(podEndpoint, c.endpoint)
		t.Setenv(podTokenFile, c.file)
		conf := goodConfig()
		credential(Credential{Kind: "pod_identity"})(conf)
		_, err := New(backends.Env{Store: "test"}, conf)
		if err == nil || !strings.HasPrefix(err.Error(), "credential.kind: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q, %q: %v", c.endpoint, c.file, err)
		}
	}
}
