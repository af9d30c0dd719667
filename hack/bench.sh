#!/usr/bin/env bash
# Run benchmarks and print their tables: bench.sh [NAME]..., all without a name.
#   drift     statistics, beside scipy, Evidently, whylogs and NannyML, which are installed for it
#   gateway   what the gateway adds to the time of a request
#   scale     500 TrainingJobs beside 500 Jobs, 2,000 objects at rest, a restart (as root)
# Figures are worth something on a machine that does nothing else.
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$repository"

bench_drift() { python3 drift/benches/peers.py; }

bench_gateway() {
  # The whole workspace is selected, as when it is tested: nothing is compiled twice.
  cargo build --release --locked --quiet --workspace --example gateway_load || return 1
  "$CARGO_TARGET_DIR/$(host_triple)/release/examples/gateway_load"
}

bench_scale() {
  hack/prerequisites.sh cluster
  hack/tools.sh
  hack/tools.sh kwok
  # Optimised, unlike tests: the client is measured, too.
  cargo build --release --locked --quiet --workspace --features millwright-e2e/clusters --example scale \
    --config 'profile.release.package.millwright-e2e.opt-level=2' || return 1
  CARGO_MANIFEST_DIR=$repository/e2e "$CARGO_TARGET_DIR/$(host_triple)/release/examples/scale"
}

benchmarks=(drift gateway scale)
for benchmark in "${@:-${benchmarks[@]}}"; do
  [[ " ${benchmarks[*]} " == *" $benchmark "* ]] || die "no benchmark $benchmark; there are: ${benchmarks[*]}"
  say "bench $benchmark"
  "bench_$benchmark" || die "benchmark $benchmark failed, see above"
done
