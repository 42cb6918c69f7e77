{{- define "vaultferry.name" -}}
{{ .Values.fullnameOverride | default .Release.Name | trunc 52 | trimSuffix "-" }}
{{- end -}}

{{- define "vaultferry.selector" -}}
app.kubernetes.io/name: vaultferry
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "vaultferry.podLabels" -}}
{{ include "vaultferry.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end -}}

{{- define "vaultferry.labels" -}}
{{ include "vaultferry.podLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "vaultferry.account" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "vaultferry.name" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{- define "vaultferry.adminScheme" -}}
{{ ternary "HTTPS" "HTTP" (ne .Values.admin.tls.existingSecret "") }}
{{- end -}}

{{/* What the chart sets, with the operator's own configuration on top. */}}
{{- define "vaultferry.config" -}}
{{- $admin := dict "address" ":8444" -}}
{{- if .Values.admin.tls.existingSecret -}}
{{- $_ := set $admin "tls" (dict "cert_file" "admin/tls.crt" "key_file" "admin/tls.key") -}}
{{- end -}}
{{- if .Values.admin.token.existingSecret -}}
{{- $_ := set $admin "token" (dict "file" "admin/token") -}}
{{- end -}}
{{- $set := dict
  "server" (dict
    "address" ":8443"
    "tls" (dict "cert_file" "tls/tls.crt" "key_file" "tls/tls.key")
    "shutdown_delay" (printf "%ds" (int .Values.shutdownDelaySeconds)))
  "admin" $admin
  "reload" (dict "watch" "10s")
  "audit" (dict "file" "/var/lib/vaultferry/audit.jsonl")
  "control" (dict "socket" "/var/lib/vaultferry/vaultferry.sock")
-}}
{{- $keyring := .Values.config.keyring | default dict -}}
{{- if not (or $keyring.env $keyring.credential $keyring.transit) -}}
{{- $_ := set $set "keyring" (dict "file" "keyring.json") -}}
{{- end -}}
{{- mergeOverwrite $set (deepCopy .Values.config) | toYaml -}}
{{- end -}}

{{/* What cannot work. One process has a bolt file, and what is in memory is one process's own. */}}
{{- define "vaultferry.refuse" -}}
{{- if hasKey .Values.config "admin" -}}
{{- range $key := list "address" "tls" "token" -}}
{{- if hasKey $.Values.config.admin $key -}}
{{- fail (printf "config.admin.%s would be unknown to probes and the ServiceMonitor: the values admin.tls and admin.token name Secrets for it" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $server := .Values.config.server | default dict -}}
{{- if not (hasSuffix ":8443" ($server.address | default ":8443")) -}}
{{- fail (printf "config.server.address must end in :8443, where the Service leads, and is %q: service.port is the port that clients call" $server.address) -}}
{{- end -}}
{{- if hasKey $server "shutdown_delay" -}}
{{- fail "config.server.shutdown_delay is the value shutdownDelaySeconds, by which Kubernetes waits for the end of a pod" -}}
{{- end -}}
{{- $name := include "vaultferry.name" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "no Service can be called %q: set fullnameOverride to a name of lower-case letters, digits and hyphens that begins with a letter" $name) -}}
{{- end -}}
{{- if and .Values.admin.token.existingSecret (not .Values.admin.tls.existingSecret) -}}
{{- fail "admin.token needs admin.tls: without a certificate the token goes to whoever listens in" -}}
{{- end -}}
{{- if and .Values.preStopSleepSeconds (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "preStopSleepSeconds needs Kubernetes 1.30, and this is %s, which would refuse the pods: shutdownDelaySeconds does without" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- range .Values.config.stores -}}
{{- if has .backend (list "bolt" "memory") -}}
{{- fail (printf "replicas is %d, but the store %q is of kind %s, which belongs to one gateway: set replicas to 1, or keep its secrets in a product (docs/several-gateways.md)" (int $.Values.replicas) .name .backend) -}}
{{- end -}}
{{- end -}}
{{- if not (.Values.config.gateway | default dict).id -}}
{{- fail "several replicas need config.gateway.id, the same for all" -}}
{{- end -}}
{{- end -}}
{{- end -}}
