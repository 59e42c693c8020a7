{{/*
The folders mappings/ and subscriptions/: from the image, from values, from a ConfigMap, from an OCI artifact or from git.
They are read when a process starts; so whatever changes them changes the pod template too, and the pods are rolled.
*/}}

{{/* Which of the folders a component reads. Whoever takes in HL7 v2 reads who may send it: senders.yaml in mappings/. */}}
{{- define "throughline.reads" -}}
{{- if include "throughline.speaksToRecord" . }}
- mappings
- subscriptions
{{- else if eq .component "mllp" }}
- mappings
{{- else }}
[]
{{- end }}
{{- end -}}

{{/* Where a container finds the folder; empty when it is the image's own. */}}
{{- define "throughline.folder" -}}
{{- $d := index .root.Values .what -}}
{{- $mount := printf "/etc/throughline/%s" .what -}}
{{- if eq $d.from "oci" -}}
{{- printf "%s/%s" $mount $d.oci.path | trimSuffix "/" -}}
{{- else if eq $d.from "git" -}}
{{- printf "%s/current/%s" $mount $d.git.path | trimSuffix "/" -}}
{{- else if ne $d.from "image" -}}
{{- $mount -}}
{{- end -}}
{{- end -}}

{{- define "throughline.definitionsChecksum" -}}
{{- $d := index .root.Values .what -}}
{{- $own := dict "files" $d.files "configMap" $d.configMap "oci" $d.oci "git" $d.git "image" dict -}}
{{- list $d.from (get $own $d.from) $d.revision | toJson | sha256sum -}}
{{- end -}}

{{- define "throughline.definitionsMounts" -}}
{{- range $what := include "throughline.reads" . | fromYamlArray }}
{{- if ne (index $.root.Values $what).from "image" }}
- {name: {{ $what }}, mountPath: /etc/throughline/{{ $what }}, readOnly: true}
{{- end }}
{{- end }}
{{- end -}}

{{- define "throughline.definitionsVolumes" -}}
{{- range $what := include "throughline.reads" . | fromYamlArray }}
{{- $d := index $.root.Values $what }}
{{- if eq $d.from "files" }}
- name: {{ $what }}
  configMap:
    name: {{ include "throughline.fullname" $.root }}-{{ $what }}
    items:
      {{- range $path := keys $d.files | sortAlpha }}
      - {key: {{ $path | replace "/" "__" | quote }}, path: {{ $path | quote }}}
      {{- end }}
{{- else if eq $d.from "configMap" }}
- name: {{ $what }}
  configMap:
    name: {{ $d.configMap.name | quote }}
    {{- with $d.configMap.items }}
    items:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- else if eq $d.from "oci" }}
- name: {{ $what }}
  image: {reference: {{ $d.oci.reference | quote }}, pullPolicy: {{ $d.oci.pullPolicy }}}
{{- else if eq $d.from "git" }}
- name: {{ $what }}
  emptyDir: {sizeLimit: 256Mi}
{{- end }}
{{- end }}
{{- end -}}

{{/* Fetches one commit and ends; what the pod then reads does not change under it. */}}
{{- define "throughline.definitionsInit" -}}
{{- range $what := include "throughline.reads" . | fromYamlArray }}
{{- $d := index $.root.Values $what }}
{{- if eq $d.from "git" }}
- name: fetch-{{ $what }}
  image: {{ $d.git.image | quote }}
  args:
    - --repo={{ $d.git.repository }}
    - --ref={{ $d.git.revision }}
    - --root=/git
    - --link=current
    - --depth=1
    - --one-time
  env:
    - {name: HOME, value: /tmp}
    {{- with $d.git.existingSecret }}
    - name: GITSYNC_USERNAME
      valueFrom: {secretKeyRef: {name: {{ . | quote }}, key: username}}
    - {name: GITSYNC_PASSWORD_FILE, value: /run/secrets/git/password}
    {{- end }}
  resources:
    requests: {cpu: 50m, memory: 64Mi}
    limits: {memory: 256Mi}
  securityContext:
    {{- toYaml $.root.Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: {{ $what }}, mountPath: /git}
    - {name: tmp, mountPath: /tmp}
    {{- if $d.git.existingSecret }}
    - {name: {{ $what }}-git, mountPath: /run/secrets/git, readOnly: true}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "throughline.gitSecrets" -}}
{{- range $what := include "throughline.reads" . | fromYamlArray }}
{{- $d := index $.root.Values $what }}
{{- if and (eq $d.from "git") $d.git.existingSecret }}
- name: {{ $what }}-git
  secret: {secretName: {{ $d.git.existingSecret | quote }}, items: [{key: password, path: password}], defaultMode: 0440}
{{- end }}
{{- end }}
{{- end -}}
