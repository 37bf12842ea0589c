{{/*
What values have to do with each other, which their schema cannot say. One line for each fault, with what to do.
*/}}
{{- define "mcp-proxy.checks" -}}
{{- $values := .Values -}}
{{- $secrets := $values.secrets -}}
{{- range $key, $instead := dict "cluster" "the values cluster and secrets" "shutdown_timeout" "the value shutdownSeconds" "host" "nothing: the pod listens on all of its addresses" "port" "the value service.port: the pod listens on 6001" -}}
{{- if hasKey $values.config $key -}}
{{- fail (printf "config.%s: the chart sets it; use %s" $key $instead) -}}
{{- end -}}
{{- end -}}
{{- if and $values.cluster.enabled (hasKey $values.config "workers") (ne (toString $values.config.workers) "1") -}}
{{- fail "config.workers: a replica of a cluster is one process; leave it out, and raise replicaCount" -}}
{{- end -}}
{{- with $values.config.auth -}}
{{- range $key := list "global_tokens" "admin_tokens" -}}
{{- if hasKey $values.config.auth $key -}}
{{- fail (printf "config.auth.%s: tokens do not belong into a ConfigMap; use the value secrets" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $secrets.existingSecret -}}
{{- if not $secrets.globalTokens -}}
{{- fail "secrets.globalTokens: give at least one token, such as from \"openssl rand -hex 32\", or name a Secret in secrets.existingSecret; the gateway does not start without" -}}
{{- end -}}
{{- if not $secrets.adminTokens -}}
{{- fail "secrets.adminTokens: give at least one token, such as from \"openssl rand -hex 32\", or name a Secret in secrets.existingSecret; the gateway does not start without" -}}
{{- end -}}
{{- end -}}
{{- if $secrets.existingSecret -}}
{{- range $key := list "globalTokens" "adminTokens" "clusterSecret" "secretsKey" "valkeyPassword" "redisUrl" -}}
{{- if get $secrets $key -}}
{{- fail (printf "secrets.%s does not count beside secrets.existingSecret; put it into that Secret, or leave one of them out" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $values.cluster.enabled (not $secrets.existingSecret) -}}
{{- if not $secrets.clusterSecret -}}
{{- fail "secrets.clusterSecret: give one that all replicas have, such as from \"openssl rand -hex 32\", or cluster.enabled=false" -}}
{{- end -}}
{{- if not (regexMatch "^[A-Za-z0-9+/]{43}=" $secrets.secretsKey) -}}
{{- fail "secrets.secretsKey: give the key that stored credentials are sealed with, as \"openssl rand -base64 32\" prints one" -}}
{{- end -}}
{{- if and $values.valkey.enabled $secrets.redisUrl -}}
{{- fail "secrets.redisUrl is of a Redis of your own: with it, valkey.enabled=false" -}}
{{- end -}}
{{- if and $values.valkey.enabled (not (regexMatch "^[A-Za-z0-9_-]{16,}$" $secrets.valkeyPassword)) -}}
{{- fail "secrets.valkeyPassword: give at least 16 letters, digits and hyphens, such as from \"openssl rand -hex 32\"" -}}
{{- end -}}
{{- if and (not $values.valkey.enabled) (not (regexMatch "^rediss?://" $secrets.redisUrl)) -}}
{{- fail "secrets.redisUrl: give the redis:// or rediss:// URL of the Redis of the cluster, or valkey.enabled=true" -}}
{{- end -}}
{{- end -}}
{{- if and $values.ingress.enabled (not $values.ingress.host) -}}
{{- fail "ingress.host: give the name under which clients reach the gateway" -}}
{{- end -}}
{{- if and $values.stateClaim (gt (int $values.replicaCount) 1) -}}
{{- fail "stateClaim: a claim belongs to one pod: with it, replicaCount=1; several replicas share what they know by the cluster" -}}
{{- end -}}
{{- end -}}
