#!/usr/bin/env bash
# Everything that can be checked without running a test: check.sh [STEP]..., all without a name.
# Every step runs, so that one look shows all that is wrong. A step says by its status how it went.
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$repository"
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"; remember_sources || true' EXIT

steps=(format shell sources python chart crds lint docs go dependencies)

check_format() { cargo fmt --all --check; }

check_shell() {
  if ! command -v shellcheck >/dev/null; then
    say "shell scripts: NOT CHECKED, shellcheck is not installed (apt-get install shellcheck)"
    return 0
  fi
  git ls-files --cached --others --exclude-standard -z '*.sh' .ci/run | xargs -0 shellcheck --external-sources
}

check_sources() { hack/sources-test.sh; }

check_python() {
  PYTHONPYCACHEPREFIX=$temporary/pycache python3 -m compileall -q examples drift
}

check_chart() { hack/chart-test.sh; }

check_crds() {
  hack/generate.sh "$temporary/crds" || return 1
  if ! diff -ru charts/millwright/files/crds "$temporary/crds"; then
    say "charts/millwright/files/crds is not what the crds crate says; write it anew with: make generate"
    return 1
  fi
}

check_lint() {
  cargo clippy --release --locked --quiet --workspace --all-targets --all-features -- -D warnings
}

check_docs() {
  RUSTDOCFLAGS='-D warnings' cargo doc --release --locked --quiet --workspace --no-deps
}

# The flags of the build, so that what it has compiled is used again.
check_go() {
  local module
  for module in e2e/cluster e2e/cluster/coredns e2e/tools/helm e2e/gitops; do
    (cd "$module" && CGO_ENABLED=0 go vet -trimpath ./...) || return 1
  done
}

check_dependencies() { hack/deny.sh; }

failed=()
for step in "${@:-${steps[@]}}"; do
  [[ " ${steps[*]} " == *" $step "* ]] || die "no step $step; there are: ${steps[*]}"
  started=$SECONDS
  if "check_$step"; then
    say "check $step: ok ($((SECONDS - started)) s)"
  else
    say "check $step: FAILED"
    failed+=("$step")
  fi
done
((${#failed[@]} == 0)) || die "failed: ${failed[*]}; one alone: hack/check.sh ${failed[0]}"
