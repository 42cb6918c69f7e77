package release

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

var update = flag.Bool("update", false, "write deploy/manifests anew")

const (
	helm   = "../../.cache/tools/helm"
	chart  = "../../deploy/chart"
	values = "../../deploy/values"
)

func template(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return templateAs(t, "vaultferry", args...)
}

func templateAs(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), helm, append([]string{"template", name, chart, "--namespace", "vaultferry"}, args...)...)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	return string(out) + errOut.String(), err
}

// decode reads manifests as Kubernetes would that knows no other fields.
func decode(t *testing.T, text string) []runtime.Object {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{apps.AddToScheme, core.AddToScheme, networking.AddToScheme, policy.AddToScheme, monitoring.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var objects []runtime.Object
	for _, one := range strings.Split(text, "\n---\n") {
		body, err := yaml.ToJSON([]byte(one))
		if err != nil {
			t.Fatal(err)
		}
		if string(body) == "null" {
			continue
		}
		object, _, err := decoder.Decode(body, nil, nil)
		if err != nil {
			t.Errorf("%v:\n%s", err, one)
			continue
		}
		objects = append(objects, object)
	}
	return objects
}

func the[T runtime.Object](objects []runtime.Object) (found T) {
	for _, o := range objects {
		if o, ok := o.(T); ok {
			return o
		}
	}
	return found
}

// TestChart: for each kind of values the chart is lint-free, Kubernetes' own
// types know every field, and the gateway takes the configuration, with files as
// the kubelet lays them out.
func TestChart(t *testing.T) {
	t.Parallel()
	kinds, err := filepath.Glob(filepath.Join(values, "*.yaml"))
	if err != nil || len(kinds) < 5 {
		t.Fatal(kinds, err)
	}
	root, config := unpackImage(t, "amd64")
	for _, kind := range kinds {
		t.Run(filepath.Base(kind), func(t *testing.T) {
			run(t, helm, "lint", "--strict", chart, "--values", kind)
			text, err := template(t, "--values", kind)
			if err != nil {
				t.Fatal(err, text)
			}
			objects := decode(t, text)
			pods := the[*apps.StatefulSet](objects)
			configuration := the[*core.ConfigMap](objects)
			if t.Failed() || pods == nil || configuration == nil {
				t.Fatalf("not all is there:\n%s", text)
			}
			consistent(t, objects, pods)
			mount(t, root, configuration.Data["vaultferry.yaml"])
			cmd := exec.CommandContext(t.Context(), "env", "-i", "PATH="+os.Getenv("PATH"), "AZURE_CLIENT_SECRET=x", "chroot", "--userspec="+config.User, root,
				"/usr/bin/vaultferry", "check", "--config", "/etc/vaultferry/vaultferry.yaml")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("the gateway does not take it: %v\n%s", err, out)
			}
		})
	}
}

// TestChartKeyring: the keyring is in one place, wherever the operator says.
func TestChartKeyring(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"    keyring:\n      file: keyring.json\n":                  nil,
		"    keyring:\n      file: ring.json\n":                     {"--set", "config.keyring.file=ring.json"},
		"    keyring:\n      env: KEYRING\n":                        {"--set", "config.keyring.env=KEYRING"},
		"    keyring:\n      transit:\n        file: ring.sealed\n": {"--set", "config.keyring.transit.file=ring.sealed"},
		"      file: keyring.json\n      require_proof: true\n":     {"--set", "config.keyring.require_proof=true"},
	} {
		text, err := template(t, append([]string{"--values", filepath.Join(values, "bolt.yaml")}, args...)...)
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%q: %v, want %q in\n%s", args, err, want, text)
		}
	}
}

// TestChartNames: a name of digits, or one that YAML takes for something else, stays a name.
func TestChartNames(t *testing.T) {
	t.Parallel()
	text, err := templateAs(t, "123", "--values", "testdata/names.yaml", "--namespace", "456", "--kube-version", "1.31.0")
	if err != nil {
		t.Fatal(err, text)
	}
	objects := decode(t, text)
	pods, monitor := the[*apps.StatefulSet](objects), the[*monitoring.ServiceMonitor](objects)
	if t.Failed() || pods == nil || monitor == nil {
		t.Fatalf("not all is there:\n%s", text)
	}
	consistent(t, objects, pods)
	if pods.Name != "true" || pods.Namespace != "456" || pods.Labels["app.kubernetes.io/instance"] != "123" {
		t.Errorf("%+v", pods.ObjectMeta)
	}
	pod := pods.Spec.Template.Spec
	var secrets []string
	for _, volume := range pod.Volumes {
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			if source.Secret != nil {
				secrets = append(secrets, source.Secret.Name)
			}
			if token := source.ServiceAccountToken; token != nil && (token.Path != "1" || token.Audience != "12345" || *token.ExpirationSeconds != 1000000) {
				t.Errorf("%+v", token)
			}
		}
	}
	if want := []string{"1e3", "77", "88", "0123"}; !slices.Equal(secrets, want) {
		t.Errorf("the Secrets are %q, want %q", secrets, want)
	}
	if pod.ServiceAccountName != "12" || pod.PriorityClassName != "null" || *pods.Spec.VolumeClaimTemplates[0].Spec.StorageClassName != "5" {
		t.Errorf("%+v", pod)
	}
	if key := monitor.Spec.Endpoints[0].Authorization.Credentials; key.Name != "88" || key.Key != "1" {
		t.Errorf("%+v", key)
	}
}

// TestChartUser: a cluster that gives each namespace users of its own is named none,
// and the pods are confined as ever.
func TestChartUser(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]*int64{"": new(int64(65532)), "runAsUser=1001": new(int64(1001)), "runAsUser=null": nil} {
		text, err := template(t, "--values", filepath.Join(values, "bolt.yaml"), "--set", set)
		if err != nil {
			t.Fatal(err, text)
		}
		got := the[*apps.StatefulSet](decode(t, text)).Spec.Template.Spec.SecurityContext
		for _, id := range []*int64{got.RunAsUser, got.RunAsGroup, got.FSGroup} {
			if (id == nil) != (want == nil) || id != nil && *id != *want {
				t.Errorf("%q: %+v", set, got)
			}
		}
		if got.RunAsNonRoot == nil || !*got.RunAsNonRoot || got.SeccompProfile == nil {
			t.Errorf("%q: not confined: %+v", set, got)
		}
	}
	if text, err := template(t, "--values", filepath.Join(values, "bolt.yaml"), "--set", "runAsUser=0"); err == nil {
		t.Errorf("root is taken:\n%s", text)
	}
}

// TestChartStops: a pod has time for whatever waits at its end, and for the requests
// that run then.
func TestChartStops(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ delay, sleep, grace int64 }{{10, 0, 45}, {0, 0, 35}, {0, 15, 50}, {5, 15, 55}} {
		text, err := template(t, "--values", filepath.Join(values, "bolt.yaml"), "--kube-version", "1.30.0",
			"--set", fmt.Sprintf("shutdownDelaySeconds=%d,preStopSleepSeconds=%d", tt.delay, tt.sleep))
		if err != nil {
			t.Fatal(err, text)
		}
		pod := the[*apps.StatefulSet](decode(t, text)).Spec.Template.Spec
		hook := pod.Containers[0].Lifecycle
		switch {
		case *pod.TerminationGracePeriodSeconds != tt.grace:
			t.Errorf("%+v: the pod has %d seconds", tt, *pod.TerminationGracePeriodSeconds)
		case (hook != nil) != (tt.sleep > 0), hook != nil && (hook.PreStop == nil || hook.PreStop.Sleep == nil || hook.PreStop.Sleep.Seconds != tt.sleep):
			t.Errorf("%+v: the hook is %+v", tt, hook)
		case !strings.Contains(text, fmt.Sprintf("shutdown_delay: %ds\n", tt.delay)):
			t.Errorf("%+v: the gateway delays otherwise:\n%s", tt, text)
		}
	}
}

// consistent: what one object calls another by leads to it.
func consistent(t *testing.T, objects []runtime.Object, pods *apps.StatefulSet) {
	t.Helper()
	labels := pods.Spec.Template.Labels
	selects := func(what string, selector map[string]string) {
		t.Helper()
		if len(selector) == 0 {
			t.Errorf("%s selects everything", what)
		}
		for k, v := range selector {
			if labels[k] != v {
				t.Errorf("%s selects %s=%s, and pods have %q", what, k, v, labels[k])
			}
		}
	}
	selects("the set", pods.Spec.Selector.MatchLabels)
	var services []*core.Service
	for _, o := range objects {
		switch o := o.(type) {
		case *core.Service:
			services = append(services, o)
			selects("service "+o.Name, o.Spec.Selector)
		case *policy.PodDisruptionBudget:
			selects("the budget", o.Spec.Selector.MatchLabels)
		case *networking.NetworkPolicy:
			selects("the policy", o.Spec.PodSelector.MatchLabels)
		case *core.ServiceAccount:
			if o.Name != pods.Spec.Template.Spec.ServiceAccountName {
				t.Errorf("pods have the account %s, not %s", pods.Spec.Template.Spec.ServiceAccountName, o.Name)
			}
		}
	}
	if !slices.ContainsFunc(services, func(s *core.Service) bool { return s.Name == pods.Spec.ServiceName && s.Spec.ClusterIP == "None" }) {
		t.Errorf("no headless service %s", pods.Spec.ServiceName)
	}
	if m := the[*monitoring.ServiceMonitor](objects); m != nil {
		n := 0
		for _, s := range services {
			match := true
			for k, v := range m.Spec.Selector.MatchLabels {
				match = match && s.Labels[k] == v
			}
			if match && slices.ContainsFunc(s.Spec.Ports, func(p core.ServicePort) bool { return p.Name == m.Spec.Endpoints[0].Port }) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("the monitor finds %d services", n)
		}
		monitored(t, m, pods)
	}
}

// monitored: the monitor speaks to the port as probes do, and reads the Secrets
// that the gateway has from the same places.
func monitored(t *testing.T, m *monitoring.ServiceMonitor, pods *apps.StatefulSet) {
	t.Helper()
	e := m.Spec.Endpoints[0]
	container := pods.Spec.Template.Spec.Containers[0]
	for _, probe := range []*core.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
		if probe == nil || e.Scheme == nil || !strings.EqualFold(string(probe.HTTPGet.Scheme), string(*e.Scheme)) || probe.HTTPGet.Port.StrVal != e.Port {
			t.Errorf("the monitor speaks %v at %s, and a probe is %+v", e.Scheme, e.Port, probe)
		}
	}
	mounted := map[string]string{} // path to the Secret and the key that it is of
	for _, s := range pods.Spec.Template.Spec.Volumes[0].Projected.Sources {
		if s.Secret == nil {
			continue
		}
		for _, item := range s.Secret.Items {
			mounted[item.Path] = s.Secret.Name + "/" + item.Key
		}
	}
	_, secured := mounted["admin/tls.crt"]
	if secured != strings.EqualFold(string(*e.Scheme), "https") || secured != (e.TLSConfig != nil) {
		t.Errorf("the monitor speaks %s with %+v, and the gateway has %v", *e.Scheme, e.TLSConfig, mounted)
	}
	credentials := ""
	if e.Authorization != nil && e.Authorization.Credentials != nil {
		credentials = e.Authorization.Credentials.Name + "/" + e.Authorization.Credentials.Key
	}
	if credentials != mounted["admin/token"] {
		t.Errorf("the monitor shows %q, and the gateway asks for %q", credentials, mounted["admin/token"])
	}
}

// TestWatched: the gateway of the image answers probes and Prometheus as the
// chart has them ask: see testdata/watch.sh.
func TestWatched(t *testing.T) {
	t.Parallel()
	text, err := template(t, "--values", filepath.Join(values, "watched.yaml"))
	if err != nil {
		t.Fatal(err, text)
	}
	objects := decode(t, text)
	m, configuration := the[*monitoring.ServiceMonitor](objects), the[*core.ConfigMap](objects)
	if m == nil || configuration == nil || len(m.Spec.Endpoints) != 1 || m.Spec.Endpoints[0].TLSConfig == nil || m.Spec.Endpoints[0].TLSConfig.ServerName == nil {
		t.Fatalf("no monitor that checks a certificate:\n%s", text)
	}
	root, config := unpackImage(t, "amd64")
	name := *m.Spec.Endpoints[0].TLSConfig.ServerName
	mount(t, root, configuration.Data["vaultferry.yaml"], name)
	script, err := filepath.Abs("testdata/watch.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "--net", "--pid", "--fork", "--kill-child", "sh", script)
	cmd.Env = append(os.Environ(), "ROOT="+root, "OWNER="+config.User, "NAME="+name, "METRICS="+m.Spec.Endpoints[0].Path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"livez 200", "readyz 200", "metrics without the token 401", "\nvaultferry_build_info{", "msg=stopped"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
}

// TestMonitorOfPlainHTTP: without Secrets for it the port speaks plain HTTP, to
// everybody alike; and an operator's own settings of TLS take the place of the chart's.
func TestMonitorOfPlainHTTP(t *testing.T) {
	t.Parallel()
	watched := filepath.Join(values, "watched.yaml")
	for what, args := range map[string][]string{
		"plain":    {"--values", watched, "--set", "admin.tls.existingSecret=", "--set", "admin.token.existingSecret="},
		"no token": {"--values", watched, "--set", "admin.token.existingSecret="},
		"own TLS":  {"--values", watched, "--set", "serviceMonitor.tlsConfig.insecureSkipVerify=true"},
	} {
		text, err := template(t, args...)
		if err != nil {
			t.Fatal(err, text)
		}
		objects := decode(t, text)
		pods, m := the[*apps.StatefulSet](objects), the[*monitoring.ServiceMonitor](objects)
		if pods == nil || m == nil {
			t.Fatalf("%s: not all is there:\n%s", what, text)
		}
		consistent(t, objects, pods)
		if c := m.Spec.Endpoints[0].TLSConfig; what == "own TLS" && (c.InsecureSkipVerify == nil || c.CA.Secret != nil) {
			t.Errorf("%+v", c)
		}
	}
}

// mount writes the files that a pod finds: root's, shown through links, for its
// group to read, in a folder where everybody may write.
func mount(t *testing.T, root, configuration string, hosts ...string) {
	t.Helper()
	dir := filepath.Join(root, "etc/vaultferry")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	gateway := filepath.Join(t.TempDir(), "gateway")
	args := []string{"init", gateway}
	for _, host := range hosts {
		args = append(args, "--host", host)
	}
	run(t, filepath.Join(root, "usr/bin/vaultferry"), args...)
	files := map[string]string{
		"vaultferry.yaml": configuration, "app.token": "", "app.sk": "", "pipeline.sk": "", "csms.sk": "", "vault-ca.pem": "ca.pem", "keyring.json": "keyring.json", "tls/tls.crt": "cert.pem", "tls/tls.key": "key.pem",
		"admin/token": "", "admin/tls.crt": "cert.pem", "admin/tls.key": "key.pem", "ca.pem": "ca.pem",
	}
	data := filepath.Join(dir, "..2026_11_30_00_00_00.1")
	for name, from := range files {
		content := []byte(strings.Repeat("0123456789abcdef", 4) + name)
		if name == "vaultferry.yaml" {
			content = []byte(configuration)
		} else if from != "" {
			var err error
			if content, err = os.ReadFile(filepath.Join(gateway, from)); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(data, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o440); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(file, 0, 65532); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"..data": filepath.Base(data), "tls": "..data/tls", "admin": "..data/admin"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for name := range files {
		if !strings.Contains(name, "/") {
			if err := os.Symlink("..data/"+name, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(dir, os.ModeSticky|os.ModeSetgid|0o777); err != nil {
		t.Fatal(err)
	}
}

// TestChartRefuses: what cannot work is said before anything is installed.
func TestChartRefuses(t *testing.T) {
	t.Parallel()
	bolt := filepath.Join(values, "bolt.yaml")
	for what, tt := range map[string]struct {
		args []string
		want string
	}{
		"nothing":             {nil, "existingSecret"},
		"replicas of a bolt":  {[]string{"--values", bolt, "--set", "replicas=2"}, `the store "main" is of kind bolt, which belongs to one gateway`},
		"no id for all":       {[]string{"--values", filepath.Join(values, "vault.yaml"), "--set", "config.gateway.id="}, "several replicas need config.gateway.id"},
		"a misspelt value":    {[]string{"--values", bolt, "--set", "replica=2"}, "replica"},
		"no gateway":          {[]string{"--values", bolt, "--set", "replicas=0"}, "replicas"},
		"a token in clear":    {[]string{"--values", bolt, "--set", "admin.token.existingSecret=x"}, "admin.token needs admin.tls"},
		"an unknown port":     {[]string{"--values", bolt, "--set", "config.admin.address=:9"}, "config.admin.address would be unknown to probes"},
		"no such sleep":       {[]string{"--values", bolt, "--set", "preStopSleepSeconds=5", "--kube-version", "1.29.3"}, "preStopSleepSeconds needs Kubernetes 1.30, and this is v1.29.3"},
		"another port":        {[]string{"--values", bolt, "--set", "config.server.address=:9443"}, "config.server.address must end in :8443"},
		"another delay":       {[]string{"--values", bolt, "--set", "config.server.shutdown_delay=1m"}, "config.server.shutdown_delay is the value shutdownDelaySeconds"},
		"an id of nothing":    {[]string{"--values", filepath.Join(values, "vault.yaml"), "--set", "config.gateway=null"}, "several replicas need config.gateway.id"},
		"a name with a dot":   {[]string{"--values", bolt, "--set", "fullnameOverride=a.b"}, `no Service can be called "a.b"`},
		"a digit in front":    {[]string{"--values", bolt, "--set-string", "fullnameOverride=123"}, `no Service can be called "123"`},
		"a token for anybody": {[]string{"--values", bolt, "--set", "serviceAccount.tokens[0].name=x"}, "audience"},
	} {
		out, err := template(t, tt.args...)
		if err == nil || !strings.Contains(out, tt.want) {
			t.Errorf("%s: %v, want %q:\n%s", what, err, tt.want, out)
		}
	}
}

// onlyHelm are lines that mean something to helm alone.
var onlyHelm = regexp.MustCompile(`(?m)^(# Source: .*| *(app.kubernetes.io/managed-by|helm.sh/chart): .*)\n`)

// TestManifests: the plain manifests are what the chart makes.
func TestManifests(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"bolt.yaml", "vault.yaml"} {
		text, err := template(t, "--values", filepath.Join(values, kind))
		if err != nil {
			t.Fatal(err, text)
		}
		text = "# Made of the chart and deploy/values/" + kind + ": make manifests.\n" + onlyHelm.ReplaceAllString(text, "")
		file := filepath.Join("../../deploy/manifests", kind)
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		decode(t, text)
		if have, err := os.ReadFile(file); err != nil || string(have) != text {
			t.Errorf("%s is not what the chart makes; run make manifests (%v)", file, err)
		}
	}
}
