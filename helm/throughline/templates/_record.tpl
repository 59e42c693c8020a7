{{/*
The FHIR server: who speaks to it, how they prove who they are, and whose certificates they trust. Keys and certificates
are files, so that a renewed one is read again without a restart.
*/}}

{{/* Not empty for whoever reads or writes the record. */}}
{{- define "throughline.speaksToRecord" -}}
{{- if has .component (list "web" "worker" "subscriptions" "doctor") }}yes{{ end -}}
{{- end -}}

{{/* Not empty for whoever has no web of its own, and shows by a file that it lives. */}}
{{- define "throughline.beats" -}}
{{- if has .component (list "worker" "scheduler" "mllp") }}yes{{ end -}}
{{- end -}}

{{/* Not empty for whoever makes spans, and for whoever tries whether they arrive. */}}
{{- define "throughline.traces" -}}
{{- if has .component (list "web" "worker" "mllp" "doctor") }}yes{{ end -}}
{{- end -}}

{{/* Not empty when tokens are asked for. */}}
{{- define "throughline.asksForTokens" -}}
{{- $auth := .Values.fhir.auth -}}
{{- if or (has $auth.method (list "privateKey" "clientSecret")) (and (eq $auth.method "certificate") $auth.clientId) }}yes{{ end -}}
{{- end -}}

{{/* Key in the Secret -> file of a container, for the method that was chosen. */}}
{{- define "throughline.recordSecretItems" -}}
{{- with .Values.fhir.auth -}}
{{- if eq .method "token" }}
- {key: {{ .tokenKey | quote }}, path: fhir-token}
{{- else if eq .method "clientSecret" }}
- {key: {{ .clientSecretKey | quote }}, path: fhir-client-secret}
{{- else if eq .method "privateKey" }}
- {key: {{ .privateKeyKey | quote }}, path: fhir-private-key}
{{- with .privateKeyNextKey }}
- {key: {{ . | quote }}, path: fhir-private-key-next}
{{- end }}
{{- with .privateKeyPreviousKey }}
- {key: {{ . | quote }}, path: fhir-private-key-previous}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "throughline.recordEnvironment" -}}
{{- $v := .root.Values -}}
{{- $auth := $v.fhir.auth -}}
- {name: THROUGHLINE_FHIR_BASE_URL, value: {{ $v.fhir.baseUrl | quote }}}
- {name: THROUGHLINE_FHIR_TIMEOUT_SECONDS, value: {{ $v.fhir.timeoutSeconds | quote }}}
{{- with $v.fhir.server }}
- {name: THROUGHLINE_FHIR_SERVER, value: {{ . | quote }}}
{{- end }}
{{- range include "throughline.recordSecretItems" .root | fromYamlArray }}
- {name: THROUGHLINE_{{ .path | replace "fhir-" "fhir-auth-" | replace "-" "_" | upper }}_FILE, value: /run/secrets/throughline/{{ .path }}}
{{- end }}
{{- if eq $auth.method "clientSecret" }}
- {name: THROUGHLINE_FHIR_AUTH_CLIENT_SECRET_IN, value: {{ $auth.clientSecretIn }}}
{{- end }}
{{- if include "throughline.asksForTokens" .root }}
{{- range $setting, $value := dict "CLIENT_ID" $auth.clientId "KEY_ID" $auth.keyId "TOKEN_URL" $auth.tokenUrl "SCOPE" $auth.scope "AUDIENCE" $auth.audience }}
{{- if $value }}
- {name: THROUGHLINE_FHIR_AUTH_{{ $setting }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- if or $v.fhir.ca.existingSecret $v.fhir.ca.configMap }}
- {name: THROUGHLINE_FHIR_CA_FILE, value: /etc/throughline/fhir-ca/ca.crt}
{{- end }}
{{- if $v.fhir.clientCertificate.existingSecret }}
- {name: THROUGHLINE_FHIR_CLIENT_CERTIFICATE_FILE, value: /etc/throughline/fhir-tls/tls.crt}
- {name: THROUGHLINE_FHIR_CLIENT_KEY_FILE, value: /etc/throughline/fhir-tls/tls.key}
{{- end }}
{{- end -}}

{{- define "throughline.recordSecretSources" -}}
{{- with include "throughline.recordSecretItems" .root }}
- secret:
    name: {{ include "throughline.secretName" (dict "root" $.root "own" $.root.Values.fhir.auth.existingSecret) | quote }}
    items:
      {{- . | trim | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "throughline.recordMounts" -}}
{{- $fhir := .root.Values.fhir -}}
{{- if or $fhir.ca.existingSecret $fhir.ca.configMap }}
- {name: fhir-ca, mountPath: /etc/throughline/fhir-ca, readOnly: true}
{{- end }}
{{- if $fhir.clientCertificate.existingSecret }}
- {name: fhir-tls, mountPath: /etc/throughline/fhir-tls, readOnly: true}
{{- end }}
{{- end -}}

{{- define "throughline.recordVolumes" -}}
{{- $fhir := .root.Values.fhir -}}
{{- if $fhir.ca.configMap }}
- name: fhir-ca
  configMap:
    name: {{ $fhir.ca.configMap | quote }}
    items: [{key: {{ $fhir.ca.key | quote }}, path: ca.crt}]
{{- else if $fhir.ca.existingSecret }}
- name: fhir-ca
  secret:
    secretName: {{ $fhir.ca.existingSecret | quote }}
    defaultMode: 0440
    items: [{key: {{ $fhir.ca.key | quote }}, path: ca.crt}]
{{- end }}
{{- with $fhir.clientCertificate }}
{{- if .existingSecret }}
- name: fhir-tls
  secret:
    secretName: {{ .existingSecret | quote }}
    defaultMode: 0440
    items: [{key: {{ .certKey | quote }}, path: tls.crt}, {key: {{ .keyKey | quote }}, path: tls.key}]
{{- end }}
{{- end }}
{{- end -}}
