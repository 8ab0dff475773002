{{/* Every name here is a field of the manager's settings; a test looks. */}}
{{- define "genvm.environment" -}}
- name: GENVM_RUNTIME
  value: kubernetes
- name: GENVM_HOST
  value: {{ .Values.service.listen | quote }}
- name: GENVM_PORT
  value: "3999"
# The same after every restart, and nobody else's, also where several releases share a database.
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: GENVM_MANAGER_ID
  value: {{ printf "%s-$(POD_NAME)" (include "genvm.managers" .) | quote }}
- name: GENVM_STATE_DIR
  value: /var/lib/genvm-orchestrator/state
- name: GENVM_LOG_LEVEL
  value: {{ .Values.logLevel | quote }}
- name: GENVM_LOG_FORMAT
  value: json
- name: GENVM_SHUTDOWN_POLICY
  value: {{ .Values.shutdown.policy | quote }}
- name: GENVM_DRAIN_TIMEOUT
  value: {{ int64 .Values.shutdown.drainSeconds | quote }}
- name: GENVM_SHUTDOWN_TIMEOUT
  value: {{ int64 .Values.shutdown.endSeconds | quote }}
{{- if .Values.access.tokensSecret }}
- name: GENVM_TOKENS_FILE
  value: /run/genvm-tokens/tokens
{{- else }}
- name: GENVM_ALLOW_UNAUTHENTICATED
  value: "true"
{{- end }}
{{- with .Values.access.allowedHosts }}
- name: GENVM_ALLOWED_HOSTS
  value: {{ join "," . | quote }}
{{- end }}
# No node is there: the Service's address is none of the manager's own interfaces.
- name: GENVM_REACHED_AT
  value: {{ prepend (default list .Values.service.alsoReachedAt) (include "genvm.url" . | trimPrefix "http://") | join "," | quote }}
{{- if include "genvm.hasDatabase" . }}
- name: GENVM_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ default (printf "%s-postgresql" (include "genvm.fullname" .)) .Values.postgresql.existingSecret | quote }}
      key: {{ .Values.postgresql.existingSecretKey | quote }}
{{- end }}
{{- if include "genvm.shared" . }}
# By its name: it answers the others also while it is not ready.
- name: GENVM_CLUSTER_ADDRESS
  value: {{ printf "http://$(POD_NAME).%s-each.%s.svc:3999" (include "genvm.fullname" .) .Release.Namespace | quote }}
- name: GENVM_CLUSTER_SECRET_FILE
  value: /run/genvm-managers/secret
- name: GENVM_CLUSTER_LEASE
  value: {{ int64 .Values.managers.leaseSeconds | quote }}
{{- end }}
{{ include "genvm.environment.capacity" . }}
{{ include "genvm.environment.instances" . }}
{{- range .Values.providers.keys }}
- name: {{ . | quote }}
  valueFrom:
    secretKeyRef:
      name: {{ $.Values.providers.existingSecret | quote }}
      key: {{ . | quote }}
{{- end }}
{{- with .Values.providers.keys }}
- name: GENVM_TEMPLATE_VARIABLES
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "genvm.environment.capacity" -}}
- name: GENVM_PERMITS
  value: {{ int64 .Values.capacity.permits | quote }}
- name: GENVM_POOL_SIZE
  value: {{ int64 .Values.capacity.poolSize | quote }}
- name: GENVM_QUEUE_LIMIT
  value: {{ int64 .Values.capacity.queueLimit | quote }}
- name: GENVM_INSTANCE_MEMORY_BYTES
  value: {{ include "genvm.bytes" .Values.instances.executor.memoryMiB | quote }}
- name: GENVM_INSTANCE_CPUS
  value: {{ .Values.instances.executor.cpus | quote }}
- name: GENVM_INSTANCE_REUSE
  value: {{ int64 .Values.instances.executor.reuse | quote }}
- name: GENVM_WEB_MEMORY_BYTES
  value: {{ include "genvm.bytes" .Values.modules.web.memoryMiB | quote }}
{{- end -}}

{{- define "genvm.environment.instances" -}}
- name: GENVM_IMAGE_PATTERN
  value: {{ include "genvm.image" (list . .Values.instances.executor) | quote }}
- name: GENVM_LLM_IMAGE
  value: {{ include "genvm.image" (list . .Values.modules.llm) | quote }}
- name: GENVM_WEB_IMAGE
  value: {{ include "genvm.image" (list . .Values.modules.web) | quote }}
- name: GENVM_KUBERNETES_NAMESPACE
  value: {{ include "genvm.instances.namespace" . | quote }}
- name: GENVM_KUBERNETES_CONNECTOR_IMAGE
  value: {{ include "genvm.image" (list . .Values.instances.connector) | quote }}
- name: GENVM_KUBERNETES_CONNECTOR_PORT
  value: {{ int64 .Values.instances.connector.port | quote }}
- name: GENVM_KUBERNETES_HOST_NETWORKS
  value: {{ join "," .Values.nodes.directNetworks | quote }}
- name: GENVM_KUBERNETES_PULL_POLICY
  value: {{ .Values.image.pullPolicy | quote }}
{{- with .Values.imagePullSecrets }}
- name: GENVM_KUBERNETES_PULL_SECRETS
  value: {{ join "," . | quote }}
{{- end }}
- name: GENVM_KUBERNETES_START_TIMEOUT
  value: {{ int64 .Values.instances.startSeconds | quote }}
- name: GENVM_KUBERNETES_UNREACHABLE_SECONDS
  value: {{ int64 .Values.instances.unreachableSeconds | quote }}
{{- with .Values.nodes.allowedNetworks }}
- name: GENVM_NODE_NETWORKS
  value: {{ join "," . | quote }}
{{- end }}
{{- end -}}
