{{/* What the operator may do in the namespaces that it looks after: the same rules in a ClusterRole
     or in a Role for each namespace. No wildcard, no secrets, no pod logs, no exec. */}}
{{- define "millwright.rules" -}}
# Read what users want.
- apiGroups: [millwright.dev]
  resources: [datasets, trainingjobs, models, modelversions, modeldeployments, retrainpolicies]
  verbs: [get, list, watch]
# Say how it stands. Specs are the users': there is no right to change one. The status of a Model is
# where version numbers are drawn.
- apiGroups: [millwright.dev]
  resources:
    - datasets/status
    - trainingjobs/status
    - models/status
    - modelversions/status
    - modeldeployments/status
    - retrainpolicies/status
  verbs: [update]
# Own Jobs, Deployments, Services and the runs of a policy, so that they go with their owner, on
# clusters that check this right (the admission plugin OwnerReferencesPermissionEnforcement).
- apiGroups: [millwright.dev]
  resources:
    - datasets/finalizers
    - trainingjobs/finalizers
    - modeldeployments/finalizers
    - retrainpolicies/finalizers
  verbs: [update]
# Start the runs of a RetrainPolicy.
- apiGroups: [millwright.dev]
  resources: [trainingjobs]
  verbs: [create]
# Register what a run has made. Records of the registry are never deleted by the operator.
- apiGroups: [millwright.dev]
  resources: [models, modelversions]
  verbs: [create]
# Syncs, attempts, evaluations and test gates. They are never changed.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# How their containers ended, and where gateways listen.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# The model servers of a stage.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
# The addresses of a stage.
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
# The artifact store's claim of a namespace. It holds users' data, so it is never deleted.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create]
# Tell people what happened.
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
