{{/*
What the schema cannot say: which values belong together. All problems at once, each naming the value and the remedy.
*/}}
{{- define "throughline.validate" -}}
{{- $problems := concat (include "throughline.elsewhere" . | fromYamlArray) (include "throughline.missing" . | fromYamlArray) (include "throughline.shapes" . | fromYamlArray) (include "throughline.together" . | fromYamlArray) (include "throughline.access" . | fromYamlArray) (include "throughline.hl7v2" . | fromYamlArray) (include "throughline.hardened" . | fromYamlArray) (include "throughline.moving" . | fromYamlArray) -}}
{{- if $problems -}}
{{- fail (printf "\n\nThe values need mending:\n  - %s\n" (join "\n  - " $problems)) -}}
{{- end -}}
{{- end -}}

{{/* Values that people try first, and where they really are. */}}
{{- define "throughline.elsewhere" -}}
{{- $v := .Values -}}
{{- range $name, $is := dict
  "replicaCount" "set web.replicas, worker.replicas and scheduler.replicas."
  "resources" "set web.resources, worker.resources and scheduler.resources."
  "autoscaling" "set web.autoscaling and worker.autoscaling."
  "env" "name it extraEnv."
}}
{{- if hasKey $v $name }}
- {{ printf "%s is not a value of this chart: %s" $name $is | quote }}
{{- end }}
{{- end }}
{{- range $path, $is := dict
  "fhir.url" "name it fhir.baseUrl."
  "fhir.token" "secrets are never values. Put it into a Secret under the key fhir-token, and name that in existingSecret or fhir.auth.existingSecret."
  "fhir.auth.token" "secrets are never values. Put it into a Secret under the key fhir-token, and name that in existingSecret or fhir.auth.existingSecret."
  "fhir.auth.clientSecret" "secrets are never values. Put it into a Secret under the key fhir-client-secret, and name that in existingSecret or fhir.auth.existingSecret."
  "fhir.auth.privateKey" "secrets are never values. Put it into a Secret under the key fhir-private-key, and name that in existingSecret or fhir.auth.existingSecret."
  "redis.url" "secrets are never values. Put it into a Secret under the key redis-url, and name that in existingSecret or redis.existingSecret."
  "redis.password" "secrets are never values. It is part of the address: put redis://:<password>@<host>:6379/0 into a Secret under the key redis-url, and name that in existingSecret or redis.existingSecret."
  "redis.enabled" "name it redis.bundled.enabled."
  "secretKey.value" "secrets are never values. Put it into a Secret under the key secret-key, and name that in existingSecret or secretKey.existingSecret."
  "ingress.hosts" "name the one host in ingress.host; that of publicUrl is taken when it is empty."
  "ingress.tls" "name the Secret with the certificate in ingress.tlsSecret."
}}
{{- $parts := splitList "." $path }}
{{- $at := $v }}
{{- range initial $parts }}
{{- $at = index $at . }}
{{- end }}
{{- if hasKey $at (last $parts) }}
- {{ printf "%s is not a value of this chart: %s" $path $is | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "throughline.missing" -}}
{{- $v := .Values -}}
{{- if not $v.fhir.baseUrl }}
- "fhir.baseUrl is missing: set it to the base address of your FHIR server, e.g. --set fhir.baseUrl=https://fhir.example.org/r4"
{{- end }}
{{- if not (or $v.existingSecret $v.redis.existingSecret) }}
{{- $proof := get (dict "token" $v.fhir.auth.tokenKey "privateKey" $v.fhir.auth.privateKeyKey "clientSecret" $v.fhir.auth.clientSecretKey) $v.fhir.auth.method }}
{{- $keys := list $v.secretKey.key $v.redis.urlKey $proof | compact }}
- "existingSecret is missing: make a Secret with the keys {{ initial $keys | join ", " }} and {{ last $keys }}, and name it, e.g. --set existingSecret=throughline"
{{- else if not (or $v.existingSecret $v.secretKey.existingSecret) }}
- "secretKey.existingSecret is missing: name the Secret that holds the installation key under {{ $v.secretKey.key }}, or set existingSecret"
{{- end }}
{{- range $what := list "mappings" "subscriptions" }}
{{- $d := index $v $what }}
{{- if and (eq $d.from "files") (not $d.files) }}
- "{{ $what }}.files is missing although {{ $what }}.from is files: python -m scripts.chart_files {{ $what }} writes it from a folder"
{{- else if and (eq $d.from "configMap") (not $d.configMap.name) }}
- "{{ $what }}.configMap.name is missing although {{ $what }}.from is configMap: name the ConfigMap"
{{- else if and (eq $d.from "oci") (not $d.oci.reference) }}
- "{{ $what }}.oci.reference is missing although {{ $what }}.from is oci: name the image that holds the folder, by its digest if you can"
{{- else if eq $d.from "git" }}
{{- range $need, $is := dict "repository" "the address of the repository" "revision" "a tag or commit" "image" "the git-sync image (v4) that your cluster may pull" }}
{{- if not (index $d.git $need) }}
- "{{ $what }}.git.{{ $need }} is missing although {{ $what }}.from is git: set it to {{ $is }}"
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq $v.worker.autoscaling.by "keda") (not $v.worker.autoscaling.keda.prometheusAddress) }}
- "worker.autoscaling.keda.prometheusAddress is missing although worker.autoscaling.by is keda: set it to your Prometheus, e.g. http://prometheus.monitoring:9090"
{{- end }}
{{- if and $v.gateway.enabled (not $v.gateway.parentRefs) }}
- "gateway.parentRefs is missing although gateway.enabled: name your Gateway, e.g. --set gateway.parentRefs[0].name=public"
{{- end }}
{{- if and $v.prometheusRule.enabled (not $v.prometheusRule.runbookUrl) }}
- "prometheusRule.runbookUrl is missing although prometheusRule.enabled: say where you keep docs/runbooks.md, so that each alert can link to its heading"
{{- end }}
{{- if and $v.ingress.enabled (not (or $v.ingress.host $v.publicUrl)) }}
- "publicUrl is missing although ingress.enabled: set it to the address at which the FHIR server reaches Throughline, e.g. https://throughline.example.org"
{{- end }}
{{- if and $v.gateway.enabled (not (or $v.gateway.hostnames $v.publicUrl)) }}
- "publicUrl is missing although gateway.enabled: set it to the address at which the FHIR server reaches Throughline, e.g. https://throughline.example.org"
{{- end }}
{{- end -}}

{{/* Values whose shape a pattern in the schema could refuse, but not explain. */}}
{{- define "throughline.shapes" -}}
{{- $v := .Values -}}
{{- $address := "^https?://[^/?#@\\s]+(/[^?#\\s]*)?$" -}}
{{- $shapes := list
  (list "image.repository" $v.image.repository "^[^:@\\s]+(:[0-9]+/[^:@\\s]+)?$" "the name of an image without a tag, e.g. registry.example.org/throughline; tag and digest have values of their own")
  (list "image.digest" $v.image.digest "^sha256:[a-f0-9]{64}$" "a digest, sha256: and 64 hexadecimal digits, as the registry shows it")
  (list "publicUrl" $v.publicUrl $address "the address at which the FHIR server reaches Throughline, e.g. https://throughline.example.org")
  (list "fhir.baseUrl" $v.fhir.baseUrl $address "the base address of a FHIR server, e.g. https://fhir.example.org/r4")
  (list "fhir.auth.tokenUrl" $v.fhir.auth.tokenUrl $address "the address of the token endpoint, e.g. https://login.example.org/token")
  (list "traces.endpoint" $v.traces.endpoint "^https?://[^/?#@\\s]+/[^?#\\s]+$" "the address that takes traces as OTLP over HTTP, e.g. http://collector.tracing:4318/v1/traces")
  (list "accountablePractitioner" $v.accountablePractitioner "^(Practitioner|PractitionerRole)/[A-Za-z0-9.-]{1,64}$" "the reference of the person who holds what nobody else holds, e.g. Practitioner/123")
  (list "timezone" $v.timezone "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$" "a time zone name, e.g. America/Denver")
  (list "worker.autoscaling.keda.prometheusAddress" $v.worker.autoscaling.keda.prometheusAddress $address "the address of your Prometheus, e.g. http://prometheus.monitoring:9090")
  (list "prometheusRule.runbookUrl" $v.prometheusRule.runbookUrl $address "the address at which you keep docs/runbooks.md, e.g. https://wiki.example.org/throughline/runbooks")
}}
{{- range $name, $value := include "throughline.secretNames" . | fromYaml }}
{{- $shapes = append $shapes (list $name $value "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$" "the name of a Secret: small letters, digits, dashes and dots") }}
{{- end }}
{{- range $shapes }}
{{- $name := index . 0 }}{{ $value := index . 1 }}{{ $pattern := index . 2 }}{{ $is := index . 3 }}
{{- if and $value (not (regexMatch $pattern $value)) }}
- {{ printf "%s cannot be %q: set it to %s" $name $value $is | quote }}
{{- end }}
{{- end }}
{{- if not $v.image.repository }}
- "image.repository is missing: set it to the name of the image, e.g. registry.example.org/throughline"
{{- end }}
{{- end -}}

{{/* Every value that names a Secret. */}}
{{- define "throughline.secretNames" -}}
{{- $v := .Values -}}
existingSecret: {{ $v.existingSecret | quote }}
fhir.auth.existingSecret: {{ $v.fhir.auth.existingSecret | quote }}
fhir.ca.existingSecret: {{ $v.fhir.ca.existingSecret | quote }}
fhir.clientCertificate.existingSecret: {{ $v.fhir.clientCertificate.existingSecret | quote }}
redis.existingSecret: {{ $v.redis.existingSecret | quote }}
redis.tls.existingSecret: {{ $v.redis.tls.existingSecret | quote }}
secretKey.existingSecret: {{ $v.secretKey.existingSecret | quote }}
mllp.tls.existingSecret: {{ $v.mllp.tls.existingSecret | quote }}
ingress.tlsSecret: {{ $v.ingress.tlsSecret | quote }}
{{- end -}}

{{- define "throughline.together" -}}
{{- $v := .Values -}}
{{- $least := dict "web" (add $v.web.drainSeconds 20) "worker" (add $v.leaseSeconds 20) "scheduler" 10 "mllp" (add $v.mllp.drainSeconds 20) }}
{{- range $component, $seconds := $least }}
{{- if lt (int (index $v $component).terminationGracePeriodSeconds) (int $seconds) }}
- "{{ $component }}.terminationGracePeriodSeconds is {{ (index $v $component).terminationGracePeriodSeconds }}, so work in hand would be cut off: set it to {{ $seconds }} or more"
{{- end }}
{{- end }}
{{- range $scaled := list "web" "worker" }}
{{- $a := (index $v $scaled).autoscaling }}
{{- if gt (int $a.minReplicas) (int $a.maxReplicas) }}
- "{{ $scaled }}.autoscaling.minReplicas is more than its maxReplicas: raise maxReplicas to {{ $a.minReplicas }} or more"
{{- end }}
{{- end }}
{{- if and (or $v.ingress.enabled $v.gateway.enabled) $v.publicUrl }}
{{- if and (regexMatch "^([0-9.]+|\\[.*)$" (include "throughline.publicHost" .)) (not (or $v.ingress.host $v.gateway.hostnames)) }}
- "publicUrl has a number for a host, and an Ingress or a route needs a name: set it to an address with a name, or ingress.host or gateway.hostnames"
{{- end }}
{{- with (urlParse $v.publicUrl).path | trimSuffix "/" }}
- "publicUrl ends in {{ . }}, but the Ingress and the route serve at the root of a host: set it to an address without a path"
{{- end }}
{{- end }}
{{- range $what := list "mappings" "subscriptions" }}
{{- range $path, $content := (index $v $what).files }}
{{- if contains "__" $path }}
- "{{ $what }}.files has {{ $path }}: two underscores stand for a folder in a ConfigMap, so a name may not have them: rename the file"
{{- else if not (regexMatch "^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$" $path) }}
- "{{ $what }}.files has {{ $path }}: name a file by its path in the folder, e.g. pathways/after-care/pathway.yaml"
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* How Throughline proves who it is: what the method needs, and what means nothing to it. */}}
{{- define "throughline.access" -}}
{{- $v := .Values -}}
{{- $auth := $v.fhir.auth -}}
{{- $shown := dict "token" (list "the token" $auth.tokenKey) "privateKey" (list "the private key" $auth.privateKeyKey) "clientSecret" (list "the client secret" $auth.clientSecretKey) }}
{{- with get $shown $auth.method }}
{{- if and (or $v.existingSecret $v.redis.existingSecret) (not (or $v.existingSecret $auth.existingSecret)) }}
- "fhir.auth.existingSecret is missing: name the Secret that holds {{ first . }} under {{ last . }}, or set existingSecret; a server that asks for none: fhir.auth.method=none"
{{- end }}
{{- end }}
{{- if and (has $auth.method (list "privateKey" "clientSecret")) (not $auth.clientId) }}
- "fhir.auth.clientId is missing although fhir.auth.method is {{ $auth.method }}: set it to the client id that came with the registration"
{{- end }}
{{- if and (eq $auth.method "certificate") (not $v.fhir.clientCertificate.existingSecret) }}
- "fhir.clientCertificate.existingSecret is missing although fhir.auth.method is certificate: name the Secret that holds our certificate under {{ $v.fhir.clientCertificate.certKey }} and its private key under {{ $v.fhir.clientCertificate.keyKey }}"
{{- end }}
{{- if and $v.fhir.ca.existingSecret $v.fhir.ca.configMap }}
- "fhir.ca.existingSecret and fhir.ca.configMap are both set: leave the one empty that does not hold the authority"
{{- end }}
{{- $anyClient := list "privateKey" "clientSecret" "certificate" }}
{{- range $name, $means := dict "clientId" $anyClient "tokenUrl" $anyClient "scope" $anyClient "audience" (list "privateKey") "keyId" (list "privateKey") "privateKeyNextKey" (list "privateKey") "privateKeyPreviousKey" (list "privateKey") }}
{{- if and (index $auth $name) (not (has $auth.method $means)) }}
- "fhir.auth.{{ $name }} means nothing while fhir.auth.method is {{ $auth.method }}: set fhir.auth.method to {{ join " or " $means }}, or leave it empty"
{{- end }}
{{- end }}
{{- if and (eq $auth.method "certificate") (not $auth.clientId) (or $auth.tokenUrl $auth.scope) }}
- "fhir.auth.clientId is missing although a token is to be asked for (fhir.auth.tokenUrl, fhir.auth.scope): set it to the client id that came with the registration"
{{- end }}
{{- end -}}

{{/* What moves by itself: pods would run, and read, different things, and a rollback would not know what it goes back to. */}}
{{- define "throughline.moving" -}}
{{- $v := .Values -}}
{{- if eq $v.image.tag "latest" }}
- "image.tag is latest, which moves: name a version, or set image.digest"
{{- end }}
{{- range $what := list "mappings" "subscriptions" }}
{{- $d := index $v $what }}
{{- if and (eq $d.from "git") (has $d.git.revision (list "main" "master" "develop" "trunk" "HEAD")) }}
- "{{ $what }}.git.revision is {{ $d.git.revision }}, a branch, which moves: set it to a tag or commit, and to another one for each change"
{{- end }}
{{- if and (eq $d.from "git") $d.git.repository (not (regexMatch "^https?://" $d.git.repository)) }}
- {{ printf "%s.git.repository cannot be %q: set it to the https address of the repository, and existingSecret to a Secret with username and password if it asks for them" $what $d.git.repository | quote }}
{{- end }}
{{- if and (eq $d.from "oci") (hasSuffix ":latest" $d.oci.reference) }}
- "{{ $what }}.oci.reference ends in latest, which moves: name a version, or better a digest"
{{- end }}
{{- end }}
{{- end -}}

{{/* What would take away what the chart promises. */}}
{{- define "throughline.hardened" -}}
{{- $v := .Values -}}
{{- range $v.extraEnv }}
{{- if hasPrefix "THROUGHLINE_" (.name | default "" | toString) }}
- "extraEnv sets {{ .name }}: settings are values of this chart, and secrets are files from a Secret that a value names; README.md, Settings and values, says which"
{{- end }}
{{- end }}
{{- if or (eq (toString $v.podSecurityContext.runAsNonRoot) "false") (eq (toString $v.podSecurityContext.runAsUser) "0") (eq (toString $v.securityContext.runAsUser) "0") }}
- "podSecurityContext would let the pods run as root: set runAsNonRoot to true, and runAsUser to 10001 or, where the cluster chooses, to null"
{{- end }}
{{- range $name := list "privileged" "allowPrivilegeEscalation" }}
{{- if index $v.securityContext $name }}
- "securityContext.{{ $name }} is true, and nothing here needs it: set it to false"
{{- end }}
{{- end }}
{{- range $path, $labels := dict "commonLabels" $v.commonLabels "web.podLabels" $v.web.podLabels "worker.podLabels" $v.worker.podLabels "scheduler.podLabels" $v.scheduler.podLabels "mllp.podLabels" $v.mllp.podLabels }}
{{- range $label := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" }}
{{- if hasKey ($labels | default dict) $label }}
- "{{ $path }} has {{ $label }}, by which Services and network policies choose the pods: take another label"
{{- end }}
{{- end }}
{{- end }}
{{- if and $v.redis.tls.certKey (not $v.redis.tls.keyKey) }}
- "redis.tls.keyKey is missing although redis.tls.certKey is set: name the key of the private key that goes with the certificate"
{{- end }}
{{- end -}}

{{/* HL7 v2 changes the record, and its senders prove themselves by where they are and by TLS. */}}
{{- define "throughline.hl7v2" -}}
{{- $v := .Values -}}
{{- $mllp := $v.mllp -}}
{{- if $mllp.enabled }}
{{- if and $mllp.tls.enabled (not $mllp.tls.existingSecret) }}
- "mllp.tls.existingSecret is missing although mllp.enabled: name the Secret that holds the certificate under {{ $mllp.tls.certKey }} and its private key under {{ $mllp.tls.keyKey }}; in clear, where nobody else can listen: mllp.tls.enabled=false"
{{- end }}
{{- if and $v.networkPolicy.enabled (not $v.networkPolicy.ingress.mllp) }}
- "networkPolicy.ingress.mllp is missing although mllp.enabled: say where your interface engine is, e.g. --set networkPolicy.ingress.mllp[0].ipBlock.cidr=192.0.2.7/32"
{{- end }}
{{- if and (eq $v.mappings.from "files") (not (hasKey $v.mappings.files "senders.yaml")) }}
- "mappings.files has no senders.yaml although mllp.enabled, so nobody may send: add it (docs/messages.md)"
{{- end }}
{{- if eq (int $mllp.port) (int $v.metrics.port) }}
- "mllp.port and metrics.port are both {{ $mllp.port }}: set one of them to another port"
{{- end }}
{{- if and $mllp.service.nodePort (eq $mllp.service.type "ClusterIP") }}
- "mllp.service.nodePort is set although mllp.service.type is ClusterIP: set the type to NodePort or LoadBalancer, or leave it empty"
{{- end }}
{{- if and $mllp.service.loadBalancerSourceRanges (ne $mllp.service.type "LoadBalancer") }}
- "mllp.service.loadBalancerSourceRanges is set although mllp.service.type is {{ $mllp.service.type }}: set the type to LoadBalancer, or leave them empty"
{{- end }}
{{- end }}
{{- if and $mllp.tls.clientCaKey (not $mllp.tls.enabled) }}
- "mllp.tls.clientCaKey is set although mllp.tls.enabled is false, so nobody would be asked for a certificate: set mllp.tls.enabled=true"
{{- end }}
{{- end -}}
