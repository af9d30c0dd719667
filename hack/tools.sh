#!/usr/bin/env bash
# Build Go programs: tools.sh [NAME]..., those of the development cluster without a name.
#
# A program is built only when its module has changed. It is kept in $MILLWRIGHT_HOME/bin under the
# hash of the module's content, so a cache of that directory spares the build.
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

declare -A module=(
  [devcluster]=e2e/cluster
  [pause]=e2e/cluster
  [coredns]=e2e/cluster/coredns
  [helm]=e2e/tools/helm
  [versitygw]=e2e/tools/versitygw
  [kwok]=e2e/tools/kwok
)
declare -A package=(
  [devcluster]=.
  [pause]=./cmd/pause
  [coredns]=.
  [helm]=helm.sh/helm/v4/cmd/helm
  [versitygw]=github.com/versity/versitygw/cmd/versitygw
  [kwok]=sigs.k8s.io/kwok/cmd/kwok
)

require_go() {
  command -v go >/dev/null || die "go is not installed; install Go 1.26.8 or newer"
}

# version_flags MODULE: the cluster's components report the version of Kubernetes they were built from.
version_flags() {
  local version
  version=$(awk '$1 == "k8s.io/kubernetes" && $2 ~ /^v/ {print $2; exit}' "$1/go.mod")
  if [[ -n $version ]]; then
    printf -- '-X k8s.io/component-base/version.gitVersion=%s' "$version"
  fi
}

build() {
  local name=$1 directory=$repository/${module[$1]} target hash started
  # A module nested in another belongs to itself alone.
  hash=$(content_hash "$directory" \( -name go.mod -o -name go.sum -o -name '*.go' -o -name '*.yaml' \) \
    ! -name '*_test.go' ! -path './coredns/*')
  target=$MILLWRIGHT_HOME/bin/$name-$hash
  if [[ ! -x $target ]]; then
    require_go
    say "building $name (a first build takes minutes)"
    started=$SECONDS
    # Without the lock's descriptor: a compiler that outlives this script must not keep it.
    (cd "$directory" && CGO_ENABLED=0 retried go list -deps "${package[$name]}" >/dev/null) 9>&-
    (cd "$directory" && CGO_ENABLED=0 go build -trimpath -ldflags="-s -w $(version_flags "$directory")" -o "$target.new" "${package[$name]}") 9>&-
    mv "$target.new" "$target"
    say "built $name in $((SECONDS - started)) s"
  fi
  ln -sfn "$name-$hash" "$MILLWRIGHT_HOME/bin/$name"
  find "$MILLWRIGHT_HOME/bin" -maxdepth 1 -type f -name "$name-*" ! -name "$name-$hash" -delete
}

mkdir -p "$MILLWRIGHT_HOME/bin"
exec 9>"$MILLWRIGHT_HOME/bin/.lock"
flock 9
# kwok, which plays nodes, is for benchmarks only.
for name in "${@:-devcluster pause coredns helm}"; do
  for each in $name; do
    [[ -n ${module[$each]:-} ]] || die "no program $each; there are: ${!module[*]}"
    build "$each"
  done
done
ln -sfn devcluster "$MILLWRIGHT_HOME/bin/kubectl"
