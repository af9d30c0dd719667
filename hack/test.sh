#!/usr/bin/env bash
# Run tests: test.sh [SUITE]..., one after the other; all without a name, and those that mostly wait
# side by side.
#   units     every crate's own tests: tables, properties, the agent's and the gateway's processes
#   example   the example's scripts
#   gitops    what Flux, Helm and Argo CD make of recorded objects
#   cluster   devcluster: its own tests, and whole clusters
#   store     the agent with a real object store
#   plane     Millwright's operator on control planes of its own
#   crash     of these, only the operator killed before and after each of the writes of a whole loop;
#             with MILLWRIGHT_CRASH_ONE_OF=N at every Nth point only
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
  cargo test --release --locked --workspace --features millwright-e2e/clusters --test control_plane
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

run() {
  local started=$SECONDS
  say "test $1"
  "suite_$1" || die "suite $1 failed; it alone: hack/test.sh $1"
  say "test $1: ok ($((SECONDS - started)) s)"
}

# end LOGS GROUP...: ends process groups, waits until they have removed what they made, and says what
# the suites said.
end() {
  local logs=$1 group
  shift
  for group in "$@"; do kill -TERM -- "-$group" 2>/dev/null || true; done
  for _ in {1..60}; do
    for group in "$@"; do
      if kill -0 -- "-$group" 2>/dev/null; then sleep 1 && continue 2; fi
    done
    break
  done
  cat "$logs"/* >&2
  rm -r "$logs"
  exit 130
}

# beside SUITE...: runs them side by side. What the last says is shown at once, and what the others
# say when they have ended.
beside() {
  local others=("${@:1:$#-1}") last=${*: -1} logs suite failed=()
  local -A pids
  logs=$(mktemp -d)
  # Each is a process group, that all of it can be ended.
  set -m
  for suite in "$@"; do
    if [[ $suite == "$last" ]]; then
      run "$suite" &
    else
      run "$suite" >"$logs/$suite" 2>&1 &
    fi
    pids[$suite]=$!
  done
  set +m
  # shellcheck disable=SC2064 # the groups are known now
  trap "end '$logs' ${pids[*]}" INT TERM HUP
  for suite in "${others[@]}" "$last"; do
    wait "${pids[$suite]}" || failed+=("$suite")
    [[ $suite == "$last" ]] || cat "$logs/$suite" >&2
  done
  trap - INT TERM HUP
  rm -r "$logs"
  ((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
}

if (($# == 0)); then
  run units
  # What several of them would install or build.
  cluster_programs devcluster pause coredns versitygw
  beside example gitops store cluster
  # Not beside the suite cluster, which looks for what clusters leave on the machine.
  run plane
  run node
fi
for suite in "$@"; do
  [[ " ${suites[*]} " == *" $suite "* ]] || die "no suite $suite; there are: ${suites[*]}"
  run "$suite"
done
