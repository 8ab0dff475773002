{{/* Settings that the chart decides, each with the value to use instead. */}}
{{- define "genvm.decided" -}}
runtime: nothing; this chart is for Kubernetes
host: service and networkPolicy
port: service.port
socket: service and networkPolicy
operator_socket: access.tokensSecret
state_dir: persistence
manager_id: nothing; it is made of the names of namespace and Pod
database_url: postgresql.existingSecret
cluster_address: nothing; each manager has the name of its Pod
cluster_secret_file: managers.existingSecret
cluster_lease: managers.leaseSeconds
tokens_file: access.tokensSecret
allow_unauthenticated: access.tokensSecret or access.acknowledgeOpen
allowed_hosts: access.allowedHosts
reached_at: service.alsoReachedAt
log_level: logLevel
log_format: nothing; it is JSON here
shutdown_policy: shutdown.policy
drain_timeout: shutdown.drainSeconds
shutdown_timeout: shutdown.endSeconds
permits: capacity.permits
pool_size: capacity.poolSize
queue_limit: capacity.queueLimit
instance_memory_bytes: instances.executor.memoryMiB
instance_cpus: instances.executor.cpus
instance_reuse: instances.executor.reuse
web_memory_bytes: modules.web.memoryMiB
image_pattern: instances.executor
llm_image: modules.llm
web_image: modules.web
template_variables: providers.keys
node_networks: nodes.allowedNetworks
kubernetes_server: nothing; the manager is in its cluster
kubernetes_namespace: instances.namespace
kubernetes_ca_file: nothing; the manager is in its cluster
kubernetes_token_file: nothing; the manager is in its cluster
kubernetes_certificate_file: nothing; the manager is in its cluster
kubernetes_connector_image: instances.connector
kubernetes_connector_port: instances.connector.port
kubernetes_host_networks: nodes.directNetworks
kubernetes_pull_policy: image.pullPolicy
kubernetes_pull_secrets: imagePullSecrets
kubernetes_start_timeout: instances.startSeconds
kubernetes_unreachable_seconds: instances.unreachableSeconds
{{- end -}}
