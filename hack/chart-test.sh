#!/usr/bin/env bash
# Check the Helm chart: lint it, and render it with each combination of values that changes what is
# rendered. Needs no cluster. What must be there, and what must not, is asserted by text.
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

chart=$repository/charts/millwright
"$repository/hack/tools.sh" helm

render() { helm template millwright "$chart" --namespace millwright-system "$@"; }

# kinds ARGUMENT...: the kinds rendered, sorted, on one line.
kinds() { render "$@" | awk '/^kind:/ {print $2}' | sort | uniq -c | awk '{print $2 "=" $1}' | paste -sd ' '; }

expect_kinds() {
  local expected=$1 found
  shift
  found=$(kinds "$@")
  [[ $found == "$expected" ]] || die "with ($*) the chart renders: $found; expected: $expected"
}

expect() {
  local text=$1
  shift
  render "$@" | grep -qF -- "$text" || die "with ($*) the chart should render: $text"
}

refuse() {
  local text=$1 output
  shift
  if output=$(render "$@" 2>&1); then
    die "with ($*) the chart should be refused"
  fi
  grep -qF -- "$text" <<<"$output" || die "with ($*) the refusal should name $text, but says: $output"
}

helm lint --strict --quiet "$chart" >&2

cluster='ClusterRole=3 ClusterRoleBinding=1 Deployment=1 Role=1 RoleBinding=1 Service=1 ServiceAccount=1'
expect_kinds "$cluster"
expect_kinds 'ClusterRole=1 ClusterRoleBinding=1 Deployment=1 Role=1 RoleBinding=1 ServiceAccount=1' \
  --set rbac.aggregate=false --set metrics.service=false
# Rights in a list of namespaces need no right in the cluster.
expect_kinds 'Deployment=1 Role=3 RoleBinding=3 Service=1 ServiceAccount=1' \
  --set rbac.aggregate=false --set 'watchNamespaces={a,b}'
expect 'value: "a,b"' --set 'watchNamespaces={a,b}'
expect_kinds "${cluster/Deployment=1/Deployment=1 PodDisruptionBudget=1}" --set replicas=2
expect_kinds "$cluster" --set replicas=2 --set podDisruptionBudget.enabled=false
expect_kinds 'ClusterRole=3 ClusterRoleBinding=1 Deployment=1 NetworkPolicy=3 Role=1 RoleBinding=1 Service=1 ServiceAccount=1' \
  --set networkPolicy.enabled=true --set 'networkPolicy.gatewayNamespaces={a,b}'
expect_kinds 'ClusterRole=3 ClusterRoleBinding=1 Deployment=1 PodMonitor=1 Role=1 RoleBinding=1 Service=1 ServiceAccount=1 ServiceMonitor=1' \
  --set metrics.serviceMonitor.enabled=true --set metrics.podMonitor.enabled=true
expect 'image: "example/operator@sha256:'"$(printf '%064d' 0)"'"' \
  --set image.repository=example/operator --set "image.digest=sha256:$(printf '%064d' 0)"
expect 'value: "example/agent:1"' --set agent.image.repository=example/agent --set-string agent.image.tag=1
expect 'MILLWRIGHT_ARTIFACTS_STORAGE_CLASS' --set artifacts.storageClass=fast
for url in s3://bucket s3://bucket/team/a gs://bucket/a az://container/a; do
  expect "value: \"$url\"" --set "artifacts.url=$url"
done
expect 'MILLWRIGHT_ARTIFACTS_SECRET' --set artifacts.url=s3://bucket --set artifacts.secretName=store

refuse 'replicas' --set replicas=-1
refuse '/artifacts/url' --set artifacts.url=ftp://somewhere
refuse '/artifacts/url' --set artifacts.url=s3:///folder
refuse '/artifacts/secretName' --set artifacts.url=s3://bucket --set artifacts.secretName=A_b
refuse 'artifacts.secretName' --set artifacts.secretName=store
refuse 'accessMode' --set artifacts.accessMode=ReadOnlyMany
refuse 'replica' --set replica=2
refuse 'metrics.service' --set metrics.service=false --set metrics.serviceMonitor.enabled=true

# What the operator must never be allowed, and what its pod must never lack.
everything=$(render --set 'watchNamespaces={a}'; render)
if grep -nE "'\*'|\"\*\"|secrets|pods/log|pods/exec|impersonate|escalate" <<<"$everything" >&2; then
  die "the chart grants a wildcard, or a right that the operator must not have"
fi
for setting in 'runAsNonRoot: true' 'readOnlyRootFilesystem: true' 'allowPrivilegeEscalation: false' \
  'drop: [ALL]' 'type: RuntimeDefault'; do
  grep -qF "$setting" <<<"$everything" || die "the operator's pod lacks $setting"
done
say "chart: ok"
