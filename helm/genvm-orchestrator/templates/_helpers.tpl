{{- define "genvm.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{- define "genvm.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains (include "genvm.name" .) .Release.Name -}}
{{- include "genvm.cut" .Release.Name -}}
{{- else -}}
{{- include "genvm.cut" (printf "%s-%s" .Release.Name (include "genvm.name" .)) -}}
{{- end -}}
{{- end -}}

{{/* Of long names that begin alike, what is left has to differ; what is not cut has no hash. */}}
{{- define "genvm.cut" -}}
{{- if gt (len .) 45 -}}
{{- printf "%s-%s" (trunc 36 . | trimSuffix "-") (sha256sum . | trunc 8) -}}
{{- else -}}
{{- . | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects never changes: a selector is immutable, so there is no version in it. */}}
{{- define "genvm.selector" -}}
app.kubernetes.io/name: {{ include "genvm.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: manager
{{- end -}}

{{- define "genvm.labels" -}}
app.kubernetes.io/name: {{ include "genvm.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{/* A reference to an image: (list . <repository, tag, digest>). */}}
{{- define "genvm.image" -}}
{{- $root := index . 0 -}}{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What the ids of all managers of this release begin with. */}}
{{- define "genvm.managers" -}}
{{- printf "%s/%s" .Release.Namespace (include "genvm.fullname" .) | sha256sum | trunc 10 -}}
{{- end -}}

{{- define "genvm.serviceAccount" -}}
{{- default (include "genvm.fullname" .) .Values.serviceAccount.existing -}}
{{- end -}}

{{- define "genvm.instances.namespace" -}}
{{- default .Release.Namespace .Values.instances.namespace -}}
{{- end -}}

{{- define "genvm.hasDatabase" -}}
{{- if or .Values.postgresql.url .Values.postgresql.existingSecret -}}true{{- end -}}
{{- end -}}

{{/* Whether managers know of each other. Not by their number: the last one that is left takes over what others left. */}}
{{- define "genvm.shared" -}}
{{- if and (include "genvm.hasDatabase" .) .Values.managers.existingSecret -}}true{{- end -}}
{{- end -}}

{{/* Bytes of so many MiB; a number of the values is a float, which prints as 1.07e+09. */}}
{{- define "genvm.bytes" -}}
{{- mul (int64 .) 1048576 -}}
{{- end -}}

{{/* Seconds until SIGKILL: longer than the manager's own way to its end. */}}
{{- define "genvm.grace" -}}
{{- $drain := ternary (int64 .Values.shutdown.drainSeconds) 0 (eq .Values.shutdown.policy "drain") -}}
{{- add $drain (int64 .Values.shutdown.endSeconds) 20 -}}
{{- end -}}

{{/* Who an instance is, by labels that the manager gives its Pods. */}}
{{- define "genvm.instance.labels" -}}
app.kubernetes.io/managed-by: genvm-orchestrator
io.genvm.orchestrator.role: executor
{{- end -}}

{{- define "genvm.select.modules" -}}
matchLabels:
  app.kubernetes.io/managed-by: genvm-orchestrator
matchExpressions:
  - key: io.genvm.orchestrator.role
    operator: In
    values: [llm, web]
{{- end -}}

{{/* PodSecurity *restricted*, as a user whom the images know. */}}
{{- define "genvm.podSecurity" -}}
runAsNonRoot: true
runAsUser: 64321
runAsGroup: 64321
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "genvm.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "genvm.peer.managers" -}}
namespaceSelector:
  matchLabels:
    kubernetes.io/metadata.name: {{ .Release.Namespace | quote }}
podSelector:
  matchLabels:
    {{- include "genvm.selector" . | nindent 4 }}
{{- end -}}

{{/* The managers' settings that are no secret and that the chart does not decide; a file, so that a change is seen. */}}
{{- define "genvm.config" -}}
{{- toYaml (default dict .Values.settings) -}}
{{- end -}}

{{/* After everything else is gone; the weight says in which order. */}}
{{- define "genvm.reap.hook" -}}
helm.sh/hook: post-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- define "genvm.url" -}}
{{- printf "http://%s.%s.svc:%d" (include "genvm.fullname" .) .Release.Namespace (int64 .Values.service.port) -}}
{{- end -}}

{{- define "genvm.test.pod" -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
activeDeadlineSeconds: 600
{{ include "genvm.hook.pod" . }}
{{- end -}}

{{/* Of every Pod that a hook makes: it runs where managers may. Of `affinity` the part about machines alone: the rest is about managers. */}}
{{- define "genvm.hook.pod" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (default dict .Values.affinity).nodeAffinity }}
affinity:
  nodeAffinity:
    {{- toYaml . | nindent 4 }}
{{- end }}
securityContext:
  {{- include "genvm.podSecurity" . | nindent 2 }}
{{- end -}}

{{- define "genvm.test.container" -}}
image: {{ include "genvm.image" (list . .Values.image) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy | quote }}
securityContext:
  {{- include "genvm.containerSecurity" . | nindent 2 }}
resources:
  requests: {cpu: 100m, memory: 128Mi}
  limits: {cpu: "1", memory: 256Mi}
{{- end -}}
