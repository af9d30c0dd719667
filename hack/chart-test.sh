#!/usr/bin/env bash
# Check the Helm chart: lint it, refuse what the values' schema should, and render it with every
# combination of values that changes what is rendered. Needs no cluster.
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

chart=$repository/charts/millwright
"$repository/hack/tools.sh" helm

render() { helm template millwright "$chart" --namespace millwright-system "$@"; }

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

expect 'value: "a,b"' --set 'watchNamespaces={a,b}'
expect 'topologyKey: kubernetes.io/hostname' --set replicas=2
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

# Every level of the values refuses what it doesn't know.
while read -r place; do
  refuse "additional properties 'unknown' not allowed" --set "${place:+$place.}unknown=1"
done <<'END'

crds
image
agent
agent.image
agent.resources
agent.resources.requests
agent.resources.limits
artifacts
resources
serviceAccount
rbac
metrics
metrics.serviceMonitor
metrics.podMonitor
networkPolicy
podDisruptionBudget
affinity
tolerations[0]
imagePullSecrets[0]
topologySpreadConstraints[0]
END
refuse '/image/digest' --set image.digest=sha256:0
refuse '/resources/limits/memory' --set resources.limits.memory=much
refuse '/watchNamespaces/0' --set 'watchNamespaces={A_b}'
refuse '/networkPolicy/apiServerPorts/0' --set 'networkPolicy.apiServerPorts={0}'
refuse '/tolerations/0/effect' --set 'tolerations[0].effect=Sometimes'
refuse '/podLabels' --set 'podLabels.a=b c'
refuse '/crds/install' --set crds.install=perhaps

# The flags of the build, so that what it has compiled is used again.
(cd "$repository/e2e/tools/helm" && CGO_ENABLED=0 go test -trimpath -count=1 ./... >&2)
say "chart: ok"
