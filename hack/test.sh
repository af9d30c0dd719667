#!/usr/bin/env bash
# Run tests: test.sh [SUITE]..., all without a name.
#   units     every crate's own tests: tables, properties, the agent's and the gateway's processes
#   example   the example's scripts
#   gitops    what Flux, Helm and Argo CD make of recorded objects
#   cluster   devcluster: its own tests, and whole clusters
#   store     the agent with a real object store
#   plane     Millwright's operator on a control plane of its own
#   crash     the operator killed before and after each of the writes of a whole loop; with
#             MILLWRIGHT_CRASH_ONE_OF=N at every Nth point only
#   node      Millwright on a node of its own, with real pods
# The clusters are made for the tests and removed afterwards.
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$repository"

# The whole workspace is selected in each suite, because a selection of packages would have other
# features of the dependencies and compile those once more.
suite_units() {
  cargo test --release --locked --workspace
}

suite_example() {
  (cd examples/flights && python3 -B -m unittest discover -t . -s tests)
}

# The flags of all Go builds here, so that what one has compiled is used again.
suite_gitops() {
  (cd e2e/gitops && CGO_ENABLED=0 go test -trimpath -count=1 ./...)
}

suite_cluster() {
  hack/test-cluster.sh
}

# These wait for most of their time, so all of them run at once.
suite_store() {
  hack/tools.sh versitygw
  cargo test --release --locked --workspace --test roles -- --ignored --test-threads 16 object_store
}

suite_plane() {
  cluster_programs
  cargo test --release --locked --workspace --features millwright-e2e/clusters --test control_plane -- --skip crash::
}

suite_crash() {
  cluster_programs
  cargo test --release --locked --workspace --features millwright-e2e/clusters --test control_plane -- --nocapture crash::
}

suite_node() {
  cluster_programs devcluster pause coredns helm versitygw
  cargo test --release --locked --workspace --features millwright-e2e/clusters --test node
}

cluster_programs() {
  hack/prerequisites.sh cluster
  hack/tools.sh "$@"
}

suites=(units example gitops cluster store plane crash node)
for suite in "${@:-${suites[@]}}"; do
  [[ " ${suites[*]} " == *" $suite "* ]] || die "no suite $suite; there are: ${suites[*]}"
  started=$SECONDS
  say "test $suite"
  "suite_$suite" || die "suite $suite failed; it alone: hack/test.sh $suite"
  say "test $suite: ok ($((SECONDS - started)) s)"
done
