#!/usr/bin/env bash
# Build the images of Millwright and of the examples and bring them to a cluster:
#   images.sh [NAME]...    operator, agent, or the name of a folder in examples/; all without a name
#
# The cluster is the one of `make cluster`, into which images are loaded directly. With KUBECONFIG
# naming another cluster, images are pushed to the registry named by REGISTRY, from which that cluster
# must be able to pull. For each image a line "NAME REFERENCE HASH" goes to standard output.
#
# An image is built only when what goes into it has changed, and kept in $MILLWRIGHT_HOME/images under
# the hash of that.
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=hack/engine.sh
source "$repository/hack/engine.sh"

images=$MILLWRIGHT_HOME/images
# The programs of the workspace that have an image, and their binaries.
declare -A binary=([operator]=millwright-operator [agent]=millwright-agent)
reference_prefix=localhost/millwright

main() {
  local names=("$@") name
  ((${#names[@]})) || mapfile -t names < <(printf '%s\n' operator agent; example_names)
  for name in "${names[@]}"; do
    [[ -n ${binary[$name]:-} || -f $repository/examples/$name/Dockerfile ]] ||
      die "no image $name; there are: operator agent $(example_names | paste -sd ' ')"
  done
  find_destination
  compile "${names[@]}"
  mkdir -p "$images"
  # Only now, so that an image which needs no compiling does not wait for one that does.
  exec 9>"$images/.lock"
  flock 9
  for name in "${names[@]}"; do
    if [[ -n ${binary[$name]:-} ]]; then
      build_program "$name"
    else
      build_example "$name"
    fi
  done
}

example_names() {
  local dockerfile
  for dockerfile in "$repository"/examples/*/Dockerfile; do
    [[ -f $dockerfile ]] && basename "$(dirname "$dockerfile")"
  done
}

# find_destination sets cluster to a development cluster, or registry to where to push.
find_destination() {
  cluster='' registry=''
  case ${KUBECONFIG:-} in
  '') cluster=${CLUSTER:-dev} ;;
  "$MILLWRIGHT_HOME"/clusters/*/kubeconfig) cluster=$(basename "$(dirname "$KUBECONFIG")") ;;
  *) registry=${REGISTRY:-} ;;
  esac
  if [[ -n $cluster ]]; then
    [[ -f $MILLWRIGHT_HOME/clusters/$cluster/kubeconfig ]] ||
      die "there is no cluster $cluster; make it with: make cluster${CLUSTER:+ CLUSTER=$cluster}"
  elif [[ -z $registry ]]; then
    die "KUBECONFIG=$KUBECONFIG is a cluster of your own. Images get there through a registry: set REGISTRY to one that you may push to and the cluster may pull from (for example REGISTRY=registry.example.com/team), and log in to it. To use the cluster of \`make cluster\` instead, unset KUBECONFIG"
  fi
}

# compile NAME...: build the binaries of those names that are programs of the workspace.
compile() {
  local name programs_wanted=()
  for name in "$@"; do
    [[ -n ${binary[$name]:-} ]] && programs_wanted+=(--bin "${binary[$name]}")
  done
  ((${#programs_wanted[@]})) || return 0
  command -v cargo >/dev/null || die "cargo is not installed; install Rust with rustup"
  # The whole workspace is selected, as when it is tested: a selection of packages would have other
  # features of the dependencies and compile those once more.
  (cd "$repository" && cargo build --release --locked --quiet --workspace "${programs_wanted[@]}") >&2
  programs=$CARGO_TARGET_DIR/$(host_triple)/release
}

build_program() {
  local name=$1 file=$programs/${binary[$1]} hash context
  hash=$(cat "$file" "$repository/Dockerfile" | sha256sum | cut -c1-16)
  if [[ ! -f $images/$name-$hash.tar ]]; then
    context=$(mktemp -d "$images/context.XXXXXX")
    cp "$file" "$context/"
    build_image "$images/$name-$hash.tar" "$reference_prefix/$name:dev" "$context" \
      --file "$repository/Dockerfile" --target "$name" --build-arg BINARIES=prebuilt
    rm -rf "$context"
  fi
  deliver "$name" "$hash"
}

build_example() {
  local name=$1 directory=$repository/examples/$1 hash arguments=()
  hash=$(content_hash "$directory" ! -path '*/__pycache__/*' ! -path '*/.*' ! -path './tests/*' ! -name '*.md')
  if [[ ! -f $images/$name-$hash.tar ]]; then
    if grep -q '^ARG PYTHON_IMAGE' "$directory/Dockerfile"; then
      mapfile -t arguments < <(python_base_arguments "$directory/Dockerfile")
    fi
    build_image "$images/$name-$hash.tar" "$reference_prefix/$name:dev" "$directory" \
      --file "$directory/Dockerfile" "${arguments[@]}"
  fi
  deliver "$name" "$hash"
}

# deliver NAME HASH: bring the image to the cluster and drop older builds of it.
deliver() {
  local name=$1 archive=$images/$1-$2.tar reference=$reference_prefix/$1:dev
  find "$images" -maxdepth 1 -name "$name-????????????????.tar" ! -name "$name-$2.tar" -delete
  if [[ -n $cluster ]]; then
    devcluster load --name "$cluster" "$archive"
  else
    reference=$registry/millwright/$name:$2
    push_image "$archive" "$reference_prefix/$name:dev" "$reference"
  fi
  printf '%s %s %s\n' "$name" "$reference" "$2"
}

main "$@"
