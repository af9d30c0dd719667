#!/usr/bin/env bash
# Install Millwright with its chart into a cluster, or bring what is installed up to date:
#   install.sh [HELM-FLAG]...
#
# The cluster is the one of `make cluster`, or the one KUBECONFIG names (see images.sh).
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$repository/hack/tools.sh" helm devcluster
if [[ -n ${KUBECONFIG:-} && $* != *artifacts.storageClass=* && ! $* =~ artifacts\.url=(s3|gs|az):// ]]; then
  # Claims for data and models name no class by default.
  classes=$(kubectl get storageclasses --output \
    jsonpath='{.items[*].metadata.annotations.storageclass\.kubernetes\.io/is-default-class}') ||
    die "the cluster of KUBECONFIG=$KUBECONFIG does not answer, see above"
  [[ $classes == *true* ]] ||
    die "the cluster of KUBECONFIG=$KUBECONFIG has no default StorageClass, which claims for data and models need. Make one of its classes the default, name one with: hack/install.sh --set artifacts.storageClass=NAME, or use an object store, see docs/operations.md"
fi
declare -A reference hash
while read -r name image content; do
  reference[$name]=$image
  hash[$name]=$content
done < <("$repository/hack/images.sh" operator agent)
# A failure inside <( ) does not end the script by itself.
[[ -n ${reference[operator]:-} && -n ${reference[agent]:-} ]] || die "the images could not be built or delivered, see above"

export KUBECONFIG=${KUBECONFIG:-$MILLWRIGHT_HOME/clusters/${CLUSTER:-dev}/kubeconfig}
# CRDs that were applied without Helm become the release's. The annotation replaces the operator's pod
# when its image has changed under the same tag.
helm upgrade --install millwright "$repository/charts/millwright" \
  --namespace millwright-system --create-namespace --take-ownership --force-conflicts --wait --timeout 3m \
  --set-string image.repository="${reference[operator]%:*}" \
  --set-string image.tag="${reference[operator]##*:}" \
  --set-string agent.image.repository="${reference[agent]%:*}" \
  --set-string agent.image.tag="${reference[agent]##*:}" \
  --set-string "podAnnotations.millwright\\.dev/image=${hash[operator]}" \
  "$@"
