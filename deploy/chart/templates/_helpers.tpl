{{- define "vaultferry.name" -}}
{{ .Values.fullnameOverride | default .Release.Name | trunc 52 | trimSuffix "-" }}
{{- end -}}

{{- define "vaultferry.selector" -}}
app.kubernetes.io/name: vaultferry
app.kubernetes.io/instance: {{ .Release.Name }}
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

{{/* What the chart sets, with the operator's own configuration on top. */}}
{{- define "vaultferry.config" -}}
{{- $set := dict
  "server" (dict
    "address" ":8443"
    "tls" (dict "cert_file" "tls/tls.crt" "key_file" "tls/tls.key")
    "shutdown_delay" (printf "%ds" (int .Values.shutdownDelaySeconds)))
  "admin" (dict "address" ":8444")
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

{{/* One process has a bolt file, and what is in memory is one process's own. */}}
{{- define "vaultferry.refuse" -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- range .Values.config.stores -}}
{{- if has .backend (list "bolt" "memory") -}}
{{- fail (printf "replicas is %d, but the store %q is of kind %s, which belongs to one gateway: set replicas to 1, or keep its secrets in a product (docs/several-gateways.md)" (int $.Values.replicas) .name .backend) -}}
{{- end -}}
{{- end -}}
{{- if not (dig "gateway" "id" "" .Values.config) -}}
{{- fail "several replicas need config.gateway.id, the same for all" -}}
{{- end -}}
{{- end -}}
{{- end -}}
