{{/* What the pods of all components have in common: who they run as, what they see, where they run. */}}

{{- define "throughline.podMetadata" -}}
{{- $own := index .root.Values .component -}}
labels:
  {{- include "throughline.labels" . | nindent 2 }}
  {{- with $own.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ .component }}
  {{- range $what := include "throughline.reads" . | fromYamlArray }}
  checksum/{{ $what }}: {{ include "throughline.definitionsChecksum" (dict "root" $.root "what" $what) }}
  {{- end }}
  {{- with $own.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "throughline.podSettings" -}}
serviceAccountName: {{ include "throughline.serviceAccount" .root | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- end -}}

{{- define "throughline.placement" -}}
{{- $own := index .root.Values .component -}}
{{- with $own.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- if $own.topologySpreadConstraints }}
  {{- toYaml $own.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "throughline.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end -}}

{{- define "throughline.mounts" -}}
- {name: secrets, mountPath: /run/secrets/throughline, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if include "throughline.beats" . }}
- {name: run, mountPath: /run/throughline}
{{- end }}
{{- if .root.Values.redis.tls.existingSecret }}
- {name: redis-tls, mountPath: /etc/throughline/redis-tls, readOnly: true}
{{- end }}
{{- if include "throughline.speaksToRecord" . }}
{{- include "throughline.recordMounts" . }}
{{- end }}
{{- if and (eq .component "mllp") .root.Values.mllp.tls.enabled }}
- {name: mllp-tls, mountPath: /etc/throughline/mllp-tls, readOnly: true}
{{- end }}
{{- include "throughline.definitionsMounts" . }}
{{- with .root.Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "throughline.volumes" -}}
{{- $v := .root.Values -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- include "throughline.secretSources" . | nindent 6 }}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- if include "throughline.beats" . }}
- name: run
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- end }}
{{- if $v.redis.tls.existingSecret }}
- name: redis-tls
  secret:
    secretName: {{ $v.redis.tls.existingSecret | quote }}
    defaultMode: 0440
    items:
      {{- range $path, $key := dict "ca.crt" $v.redis.tls.caKey "tls.crt" $v.redis.tls.certKey "tls.key" $v.redis.tls.keyKey }}
      {{- if $key }}
      - {key: {{ $key | quote }}, path: {{ $path }}}
      {{- end }}
      {{- end }}
{{- end }}
{{- if include "throughline.speaksToRecord" . }}
{{- include "throughline.recordVolumes" . }}
{{- end }}
{{- if eq .component "mllp" }}
{{- include "throughline.mllpVolume" .root }}
{{- end }}
{{- include "throughline.definitionsVolumes" . }}
{{- include "throughline.gitSecrets" . }}
{{- with $v.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
A process that lives touches this file at least every half minute, and says in it whether it is ready. One that waits for
Redis lives: starting it anew would not bring Redis back, and would make it late when Redis is.
*/}}
{{- define "throughline.isAlive" -}}
exec:
  command: [sh, -c, "test -n \"$(find /run/throughline/alive -newermt '60 seconds ago' 2>/dev/null)\""]
{{- end -}}

{{- define "throughline.isReady" -}}
exec:
  command: [sh, -c, "test -n \"$(find /run/throughline/alive -newermt '60 seconds ago' 2>/dev/null)\" && grep -qx ready /run/throughline/alive"]
{{- end -}}

{{- define "throughline.container" -}}
image: {{ include "throughline.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.securityContext | nindent 2 }}
env:
  {{- include "throughline.environment" . | nindent 2 }}
volumeMounts:
  {{- include "throughline.mounts" . | nindent 2 }}
{{- end -}}
