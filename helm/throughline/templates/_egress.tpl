{{/* Where each component may go: rules of a NetworkPolicy. */}}

{{- define "throughline.egress" -}}
{{- $egress := .root.Values.networkPolicy.egress -}}
{{ include "throughline.redisEgress" .root }}
{{- if include "throughline.speaksToRecord" . }}
{{ include "throughline.outTo" (dict "peers" $egress.fhir "address" .root.Values.fhir.baseUrl) }}
{{- if include "throughline.tokensElsewhere" .root }}
{{ include "throughline.outTo" (dict "peers" $egress.oidc "address" .root.Values.fhir.auth.tokenUrl) }}
{{- end }}
{{- with $egress.partners }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- if include "throughline.definitionsInit" . }}
{{ include "throughline.outTo" (dict "peers" $egress.git) }}
{{- end }}
{{- if and .root.Values.traces.endpoint (include "throughline.traces" .) }}
{{ include "throughline.outTo" (dict "peers" $egress.traces "address" .root.Values.traces.endpoint) }}
{{- end }}
{{- if eq .component "doctor" }}
- to:
    - podSelector:
        matchLabels:
          {{- include "throughline.selector" (dict "root" .root "component" "web") | nindent 10 }}
  ports: [{protocol: TCP, port: http}]
{{- if .root.Values.mllp.enabled }}
- to:
    - podSelector:
        matchLabels:
          {{- include "throughline.selector" (dict "root" .root "component" "mllp") | nindent 10 }}
  ports: [{protocol: TCP, port: mllp}]
{{- end }}
{{- end }}
{{- end -}}

{{/* To the peers given, or anywhere; at the ports given, or at that of the address. */}}
{{- define "throughline.outTo" -}}
- to:
    {{- if .peers.to }}
    {{- toYaml .peers.to | nindent 4 }}
    {{- else }}
    {{- /* The node's own address serves credentials of the cloud: nothing of ours is ever there. */}}
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}
    - ipBlock: {cidr: "::/0", except: ["fe80::/10", "fd00:ec2::/32"]}
    {{- end }}
  ports:
    {{- range .peers.ports | default (list (include "throughline.portOf" .address)) }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end -}}

{{/* Not empty when tokens come from somewhere else than the FHIR server, as far as the values say. */}}
{{- define "throughline.tokensElsewhere" -}}
{{- $server := urlParse .Values.fhir.baseUrl -}}
{{- $issuer := urlParse .Values.fhir.auth.tokenUrl -}}
{{- if .Values.networkPolicy.egress.oidc.to }}yes
{{- else if and (include "throughline.asksForTokens" .) .Values.fhir.auth.tokenUrl (ne $issuer.host $server.host) }}yes
{{- end -}}
{{- end -}}

{{- define "throughline.redisEgress" -}}
{{- if .Values.redis.bundled.enabled -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "throughline.selector" (dict "root" . "component" "redis") | nindent 10 }}
  ports: [{protocol: TCP, port: redis}]
{{- else -}}
{{ include "throughline.outTo" (dict "peers" .Values.networkPolicy.egress.redis) }}
{{- end -}}
{{- end -}}
