# shellcheck shell=bash
# shellcheck disable=SC2154 # repository is set in lib.sh
#
# Build images with Docker where there is one, otherwise with buildah; to be sourced after lib.sh.
# buildah needs no daemon. Its storage is in $MILLWRIGHT_HOME/images like everything else.

engine=''

# find_engine sets engine to docker or buildah, which it installs if it is missing.
find_engine() {
  [[ -z $engine ]] || return 0
  if command -v docker >/dev/null && docker info >/dev/null 2>&1; then
    engine=docker
    return
  fi
  "$repository/hack/prerequisites.sh" images
  engine=buildah
  export BUILDAH_ISOLATION=chroot CONTAINERS_STORAGE_CONF=$MILLWRIGHT_HOME/images/storage.conf
  cat >"$CONTAINERS_STORAGE_CONF" <<CONF
[storage]
driver = "overlay"
graphroot = "$MILLWRIGHT_HOME/images/storage"
runroot = "$MILLWRIGHT_HOME/images/run"
CONF
}

# private COMMAND...: run it in a mount namespace of its own, so that none of the mounts that buildah
# and skopeo leave in place stays behind.
private() { unshare --mount -- "$@"; }

# build_image ARCHIVE REFERENCE CONTEXT FLAG...: build an image and write it as a docker-archive.
build_image() {
  local archive=$1 reference=$2 context=$3 started=$SECONDS
  shift 3
  find_engine
  say "building image $reference"
  rm -f "$archive.new"
  if [[ $engine == docker ]]; then
    docker build --quiet --tag "$reference" "$@" "$context" >&2
    docker save --output "$archive.new" "$reference"
  else
    local log=$MILLWRIGHT_HOME/images/build.log volumes
    mapfile -t volumes < <(machine_volumes)
    private buildah bud --pull-never --layers --timestamp 0 "${volumes[@]}" --tag "$reference" "$@" "$context" >"$log" 2>&1 || {
      tail -n 20 "$log" >&2
      die "building $reference failed; the whole log is $log"
    }
    private skopeo copy --quiet "containers-storage:$reference" "docker-archive:$archive.new:$reference" >&2
  fi
  mv "$archive.new" "$archive"
  say "built image $reference in $((SECONDS - started)) s"
}

# push_image ARCHIVE REFERENCE TARGET: push an image out of its archive to a registry.
push_image() {
  local archive=$1 reference=$2 target=$3
  find_engine
  say "pushing $target"
  if [[ $engine == docker ]]; then
    docker load --quiet --input "$archive" >&2
    docker tag "$reference" "$target"
    docker push --quiet "$target" >&2
  else
    skopeo copy --quiet "docker-archive:$archive" "docker://$target" >&2
  fi
}

# machine_volumes: what the build must see of this machine to fetch packages: its certificate
# authorities and its settings of pip, as arguments of buildah, one a line. Neither becomes part of
# the image.
machine_volumes() {
  local settings=$MILLWRIGHT_HOME/images/pip.conf name variable
  [[ -d /etc/ssl/certs ]] && printf -- '--volume\n/etc/ssl/certs:/etc/ssl/certs:ro\n'
  {
    echo '[global]'
    for name in cert default-timeout extra-index-url index-url proxy trusted-host; do
      variable=PIP_${name//-/_}
      variable=${variable^^}
      [[ -z ${!variable:-} ]] || printf '%s = %s\n' "$name" "${!variable}"
    done
  } >"$settings"
  printf -- '--volume\n%s:/etc/pip.conf:ro\n' "$settings"
}

# python_base_arguments DOCKERFILE: the build arguments that give a Dockerfile its Python base image.
# There are none with Docker, which pulls the image that the Dockerfile names. Without a registry a
# base is made out of the distribution's packages.
python_base_arguments() {
  local base
  find_engine
  [[ $engine == buildah ]] || return 0
  base=$(sed -n 's/^ARG PYTHON_IMAGE=//p' "$1" | head -n 1)
  if private buildah pull --quiet "$base" >/dev/null 2>&1; then
    return
  fi
  base=localhost/base/python:$(. /etc/os-release && echo "$VERSION_CODENAME")
  if ! private buildah inspect --type image "$base" >/dev/null 2>&1; then
    make_python_base "$base"
  fi
  printf -- '--build-arg\nPYTHON_IMAGE=%s\n' "$base"
}

# make_python_base REFERENCE: a root file system with Python and pip, out of this machine's package
# sources. Packages are only unpacked, their scripts do not run; what those would have done and is
# needed is done here.
make_python_base() {
  local reference=$1 root container suite
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  say "no registry can be reached; making a Python base image out of packages of $suite"
  root=$(mktemp -d "$MILLWRIGHT_HOME/images/root.XXXXXX")
  mmdebstrap --quiet --variant=extract --aptopt='Acquire::Retries "3"' \
    --include=base-files,ca-certificates,coreutils,dash,findutils,libgomp1,libstdc++6,netbase,python3,python3-pip,tzdata \
    "$suite" "$root" >&2
  install -d -m 1777 "$root/tmp"
  rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
  ln -sf python3 "$root/usr/bin/python"
  container=$(private buildah from scratch)
  private buildah add --quiet "$container" "$root" / >/dev/null
  private buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  private buildah commit --quiet --rm "$container" "$reference" >/dev/null
  rm -rf "$root"
}
