#!/usr/bin/env bash
# Show the loop turn on real data: a cluster, Millwright, and the story of examples/flights from the
# first model to the better one that replaces it. Uses the cluster of `make cluster`, or the one that
# KUBECONFIG names (see install.sh). Leaves everything up.
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

namespace=${NAMESPACE:-flights}
# The label app.kubernetes.io/part-of of a namespace of the demo, so that nobody else's is deleted.
mark=millwright-demo
story=$repository/examples/flights
# Longest time that a step of the story may take, in seconds.
patience=600
started=$SECONDS

main() {
  if [[ -z ${KUBECONFIG:-} ]]; then
    step "a cluster"
    "$repository/hack/cluster.sh" up >/dev/null
  else
    step "the cluster of KUBECONFIG=$KUBECONFIG"
  fi
  step "Millwright"
  "$repository/hack/install.sh" >/dev/null
  step "the story's image, and kubectl millwright"
  local image
  image=$("$repository/hack/images.sh" flights | awk '$1 == "flights" {print $2}')
  [[ -n $image ]] || die "the image of examples/flights could not be built or delivered, see above"
  (cd "$repository" && cargo build --release --locked --quiet --workspace --bin kubectl-millwright)
  install "$CARGO_TARGET_DIR/$(host_triple)/release/kubectl-millwright" "$MILLWRIGHT_HOME/bin/"
  export KUBECONFIG=${KUBECONFIG:-$MILLWRIGHT_HOME/clusters/${CLUSTER:-dev}/kubeconfig}

  if kubectl get namespace "$namespace" >/dev/null 2>&1; then
    [[ $(kubectl get namespace "$namespace" --output 'jsonpath={.metadata.labels.app\.kubernetes\.io/part-of}') == "$mark" ]] ||
      die "namespace $namespace exists and is not one of a demo. The demo needs one of its own: NAMESPACE=another make demo"
    step "a fresh namespace $namespace (the one of an earlier demo is deleted)"
    kubectl delete namespace "$namespace" --timeout="${patience}s" >/dev/null
  fi
  kubectl apply --filename - >/dev/null <<END
{apiVersion: v1, kind: Namespace, metadata: {name: $namespace, labels: {app.kubernetes.io/part-of: $mark}}}
END

  step "data: the flights of January and February 2013"
  apply 01-data.yaml
  kubectl --namespace "$namespace" wait job/flights-winter --for=condition=Complete \
    --timeout="${patience}s" >/dev/null || failed job/flights-winter
  apply 02-dataset.yaml
  ready dataset/flights
  step "a first model, trained and evaluated"
  apply 03-model.yaml
  ready trainingjob/flights-delay-first
  step "its way through staging to production, and the same model kept beside it"
  apply 04-deployment.yaml
  apply 05-baseline.yaml
  ready modeldeployment/flights-baseline
  ready modeldeployment/flights-delay
  serves production
  step "a policy that watches it"
  apply 06-policy.yaml
  ready retrainpolicy/flights-delay
  step "live traffic, week by week; true times come back as labels"
  apply 07-replay.yaml
  follow_replay
  show_end
}

step() { printf '\n[%3d s] %s\n' $((SECONDS - started)) "$1" >&2; }

# apply FILE: one manifest of the story, with the image where this cluster finds it.
apply() {
  sed "s|localhost/millwright/flights:dev|$image|; s|^    namespace: flights\$|    namespace: $namespace|" "$story/$1" |
    kubectl --namespace "$namespace" apply --filename - | sed 's/^/        /' >&2
}

# ready KIND/NAME: wait until it is, and say meanwhile what it says.
ready() {
  local end=$((SECONDS + patience)) said='' now
  until [[ $(condition "$1" Ready status) == True ]]; do
    if [[ $(condition "$1" Stalled status) == True ]]; then failed "$1"; fi
    if ((SECONDS > end)); then failed "$1"; fi
    now=$(condition "$1" Ready message)
    if [[ -n $now && $now != "$said" ]]; then
      printf '        %s: %s\n' "$1" "$now" >&2
      said=$now
    fi
    sleep 1
  done
  printf '        %s: %s\n' "$1" "$(condition "$1" Ready message)" >&2
}

condition() {
  kubectl --namespace "$namespace" get "$1" \
    --output jsonpath="{.status.conditions[?(@.type==\"$2\")].$3}"
}

# serves STAGE: wait until the stage of flights-delay has a version.
serves() {
  local end=$((SECONDS + patience))
  until [[ -n $(kubectl --namespace "$namespace" get modeldeployment/flights-delay \
    --output jsonpath="{.status.stages[?(@.name==\"$1\")].current.version}") ]]; do
    ((SECONDS > end)) && failed modeldeployment/flights-delay
    sleep 1
  done
}

failed() {
  kubectl millwright diagnose "$1" --namespace "$namespace" >&2 ||
    kubectl --namespace "$namespace" describe "$1" >&2
  die "$1 did not get ready, see above; the cluster is left up to look at it"
}

follow_replay() {
  local end=$((SECONDS + 2 * patience))
  # The log begins when the image is there and the pod runs.
  until kubectl --namespace "$namespace" logs job/flights-replay --follow 2>/dev/null | sed -u 's/^/        /' >&2; do
    ((SECONDS > end)) && die "the client did not start within $((2 * patience)) s: kubectl -n $namespace describe job/flights-replay"
    sleep 1
  done
  until [[ -n $(outcome) ]]; do
    ((SECONDS > end)) && die "the client did not end within $((2 * patience)) s: kubectl -n $namespace describe job/flights-replay"
    sleep 1
  done
  [[ $(outcome) == Complete ]] ||
    die "the client ended with an error, see above; the cluster is left up to look at it"
}

# outcome prints Complete or Failed when the client has ended.
outcome() {
  kubectl --namespace "$namespace" get job/flights-replay \
    --output jsonpath='{.status.conditions[?(@.status=="True")].type}' | grep -oE 'Complete|Failed' | head -n 1
}

show_end() {
  local remove="kubectl delete namespace $namespace"
  case $KUBECONFIG in
  "$MILLWRIGHT_HOME"/clusters/*) remove='make cluster-down' ;;
  esac
  step "the loop has turned"
  kubectl millwright status --namespace "$namespace" >&2
  cat >&2 <<END

Everything is still up. Try next:
  export KUBECONFIG=$KUBECONFIG PATH=$MILLWRIGHT_HOME/bin:\$PATH
  kubectl -n $namespace get millwright
  kubectl millwright status -n $namespace --watch
  kubectl millwright retrain retrainpolicy/flights-delay -n $namespace
  kubectl -n $namespace get mwmv -o yaml          # what each version was made from
Remove it all with: $remove
END
}

main "$@"
