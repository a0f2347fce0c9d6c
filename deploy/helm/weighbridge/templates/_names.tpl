{{- define "weighbridge.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "weighbridge.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "weighbridge.labels" -}}
{{ include "weighbridge.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "weighbridge.account" -}}
{{- .Values.serviceAccount.name | default (ternary (include "weighbridge.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "weighbridge.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}-{{ .variant }}{{ end }}
{{- end }}
{{- end }}

{{- define "weighbridge.policies" -}}
{{- .Values.policiesFrom | default (printf "%s-policies" (include "weighbridge.name" .)) }}
{{- end }}

{{/* weighbridge.yaml: what was given, and over it what the chart answers for. */}}
{{- define "weighbridge.config" -}}
{{- $ours := dict
  "version" 1
  "listen" (dict "address" "0.0.0.0:8080")
  "workers" (int .Values.workers)
  "drain_delay" (printf "%ds" (int .Values.drain.delaySeconds))
  "drain_timeout" (printf "%ds" (int .Values.drain.timeoutSeconds))
  "stores" (dict "spool" (dict "dir" "/var/lib/weighbridge/spool" "max_bytes" .Values.spool.maxBytes))
}}
{{- if or .Values.policies .Values.policiesFrom }}
{{- $_ := set $ours "policies" (dict "dir" "/etc/weighbridge-policies") }}
{{- end }}
{{- if .Values.operator.enabled }}
{{- $_ := set $ours "operator" (dict "address" "0.0.0.0:8081" "token" "env:WEIGHBRIDGE_OPERATOR_TOKEN") }}
{{- end }}
{{- toYaml (mergeOverwrite (deepCopy .Values.config) $ours) }}
{{- end }}

{{/* What cannot work is said before anything is installed. */}}
{{- define "weighbridge.checked" -}}
{{- $traces := dig "stores" "traces" "" .Values.config }}
{{- if and .Values.operator.enabled (not .Values.operator.token.secret) }}
{{- fail "operator.enabled needs operator.token.secret: the operator plane is not open to anybody" }}
{{- end }}
{{- if and .Values.operator.enabled (eq .Values.image.variant "sidecar") (not (hasPrefix "clickhouse" $traces)) }}
{{- fail "operator.enabled with the variant sidecar needs config.stores.traces: clickhouse://…" }}
{{- end }}
{{- if and .Values.autoscaling.enabled (not .Values.operator.enabled) }}
{{- fail "autoscaling.enabled needs operator.enabled: its metric is read from the operator plane" }}
{{- end }}
{{- if and .Values.podMonitor.enabled (not .Values.operator.enabled) }}
{{- fail "podMonitor.enabled needs operator.enabled: metrics are read from the operator plane" }}
{{- end }}
{{- $many := or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) (gt (int .Values.workers) 1) }}
{{- if and .Values.config.limits $many (not (hasPrefix "redis" (dig "stores" "state" "" .Values.config))) }}
{{- fail "config.limits with several pods or workers needs config.stores.state: redis://…, else each counts by itself" }}
{{- end }}
{{- end }}
