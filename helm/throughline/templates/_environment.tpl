{{/*
The settings of each component: each is told what it needs and nothing else. The scheduler never learns how to reach the
record nor the key from which subscription secrets derive.
Secrets are files, so that one that is changed is read again and none stands in the environment.
*/}}

{{- define "throughline.secretName" -}}
{{- .own | default .root.Values.existingSecret -}}
{{- end -}}

{{- define "throughline.environment" -}}
{{- $v := .root.Values -}}
{{- $secrets := "/run/secrets/throughline" -}}
- {name: THROUGHLINE_REDIS_URL_FILE, value: {{ $secrets }}/redis-url}
- {name: THROUGHLINE_KEY_PREFIX, value: {{ $v.redis.keyPrefix | quote }}}
- {name: THROUGHLINE_TIMEZONE, value: {{ $v.timezone | quote }}}
- {name: THROUGHLINE_LEASE_SECONDS, value: {{ $v.leaseSeconds | quote }}}
- {name: THROUGHLINE_LOG_LEVEL, value: {{ $v.logLevel | quote }}}
- {name: THROUGHLINE_LOG_FORMAT, value: {{ $v.logFormat | quote }}}
{{- if include "throughline.beats" . }}
- {name: THROUGHLINE_HOST, value: {{ $v.listenAddress | quote }}}
- {name: THROUGHLINE_METRICS_PORT, value: {{ $v.metrics.port | quote }}}
- {name: THROUGHLINE_HEARTBEAT_FILE, value: /run/throughline/alive}
{{- end }}
{{- if eq .component "scheduler" }}
- {name: THROUGHLINE_CATCH_UP_SECONDS, value: {{ $v.catchUpSeconds | quote }}}
{{- end }}
{{- if eq .component "worker" }}
- {name: THROUGHLINE_WORKER_CONCURRENCY, value: {{ $v.worker.concurrency | quote }}}
- {name: THROUGHLINE_POPULATION_SECONDS, value: {{ $v.populationSeconds | quote }}}
- {name: THROUGHLINE_CANARY_SECONDS, value: {{ $v.canarySeconds | quote }}}
{{- end }}
{{- with $v.traces.endpoint }}
{{- if include "throughline.traces" $ }}
- {name: THROUGHLINE_TRACES_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- if include "throughline.speaksToRecord" . }}
{{ include "throughline.recordEnvironment" . }}
{{- with $v.accountablePractitioner }}
- {name: THROUGHLINE_ACCOUNTABLE_PRACTITIONER, value: {{ . | quote }}}
{{- end }}
- {name: THROUGHLINE_LOOKBACK_DAYS, value: {{ $v.lookbackDays | quote }}}
- {name: THROUGHLINE_DIRECTORY_SECONDS, value: {{ $v.directorySeconds | quote }}}
{{- end }}
{{- range $what := include "throughline.reads" . | fromYamlArray }}
{{- with include "throughline.folder" (dict "root" $.root "what" $what) }}
- {name: THROUGHLINE_{{ upper $what }}_DIR, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- if eq .component "mllp" }}
{{ include "throughline.mllpEnvironment" .root }}
{{- else if include "throughline.speaksToRecord" . }}
{{- include "throughline.mllpAuthority" .root }}
{{- end }}
{{- if include "throughline.speaksToRecord" . }}
- {name: THROUGHLINE_SECRET_KEY_FILE, value: {{ $secrets }}/secret-key}
{{- if $v.secretKey.previousKey }}
- {name: THROUGHLINE_SECRET_KEY_PREVIOUS_FILE, value: {{ $secrets }}/secret-key-previous}
{{- end }}
{{- with $v.publicUrl }}
- {name: THROUGHLINE_PUBLIC_URL, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- if eq .component "web" }}
- {name: THROUGHLINE_HOST, value: {{ $v.listenAddress | quote }}}
- {name: THROUGHLINE_PORT, value: {{ $v.web.port | quote }}}
- {name: THROUGHLINE_MAX_BODY_BYTES, value: {{ $v.maxBodyBytes | int64 | quote }}}
- {name: THROUGHLINE_MAX_DEPTH, value: {{ $v.maxDepth | quote }}}
{{- end }}
{{- with $v.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The secrets of one component, as sources of one projected volume. */}}
{{- define "throughline.secretSources" -}}
{{- $v := .root.Values -}}
- secret:
    name: {{ include "throughline.secretName" (dict "root" .root "own" $v.redis.existingSecret) | quote }}
    items: [{key: {{ $v.redis.urlKey | quote }}, path: redis-url}]
{{- if include "throughline.speaksToRecord" . }}
{{- include "throughline.recordSecretSources" . }}
- secret:
    name: {{ include "throughline.secretName" (dict "root" .root "own" $v.secretKey.existingSecret) | quote }}
    items:
      - {key: {{ $v.secretKey.key | quote }}, path: secret-key}
      {{- with $v.secretKey.previousKey }}
      - {key: {{ . | quote }}, path: secret-key-previous}
      {{- end }}
{{- end }}
{{- end -}}
