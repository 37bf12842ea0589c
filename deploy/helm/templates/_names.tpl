{{- define "mcp-proxy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "mcp-proxy.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "mcp-proxy.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "mcp-proxy.valkeyName" -}}
{{- printf "%s-valkey" (include "mcp-proxy.fullname" .) -}}
{{- end -}}

{{- define "mcp-proxy.selector" -}}
app.kubernetes.io/name: {{ include "mcp-proxy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end -}}

{{- define "mcp-proxy.valkeySelector" -}}
app.kubernetes.io/name: {{ include "mcp-proxy.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: valkey
{{- end -}}

{{- define "mcp-proxy.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "mcp-proxy.labels" -}}
{{ include "mcp-proxy.selector" . }}
{{ include "mcp-proxy.commonLabels" . }}
{{- end -}}

{{- define "mcp-proxy.valkeyLabels" -}}
{{ include "mcp-proxy.valkeySelector" . }}
{{ include "mcp-proxy.commonLabels" . }}
{{- end -}}

{{- define "mcp-proxy.secretName" -}}
{{- default (include "mcp-proxy.fullname" .) .Values.secrets.existingSecret -}}
{{- end -}}

{{- define "mcp-proxy.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default (ternary (printf "%s-full" $.Chart.AppVersion) $.Chart.AppVersion $.Values.processes) .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "mcp-proxy.valkeyImage" -}}
{{- with .Values.valkey.image -}}
{{- if .digest -}}{{- printf "%s@%s" .repository .digest -}}{{- else -}}{{- printf "%s:%s" .repository .tag -}}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether the chart runs the Valkey of its cluster. */}}
{{- define "mcp-proxy.ownValkey" -}}
{{- if and .Values.cluster.enabled .Values.valkey.enabled -}}true{{- end -}}
{{- end -}}

{{- define "mcp-proxy.redisUrl" -}}
{{- if include "mcp-proxy.ownValkey" . -}}
{{- printf "redis://:%s@%s:6379" .Values.secrets.valkeyPassword (include "mcp-proxy.valkeyName" .) -}}
{{- else -}}
{{- .Values.secrets.redisUrl -}}
{{- end -}}
{{- end -}}

{{/* compozy.yaml */}}
{{- define "mcp-proxy.config" -}}
{{- $ours := dict "shutdown_timeout" (printf "%ds" (int .Values.shutdownSeconds)) -}}
{{- if and .Values.ingress.enabled (not (hasKey .Values.config "base_url")) -}}
{{- $scheme := ternary "https" "http" (ne .Values.ingress.tlsSecret "") -}}
{{- $_ := set $ours "base_url" (printf "%s://%s" $scheme .Values.ingress.host) -}}
{{- end -}}
{{- toYaml (dict "mcp_proxy" (merge $ours .Values.config) "mcps" .Values.mcps) -}}
{{- end -}}
