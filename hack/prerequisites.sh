#!/usr/bin/env bash
# Install the packages that are missing on a Debian or Ubuntu machine:
#   prerequisites.sh cluster   what a development cluster runs on
#   prerequisites.sh images    what builds images where there is no Docker engine
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# program:package
declare -A wanted=(
  [cluster]="containerd:containerd ctr:containerd runc:runc iptables:iptables nsenter:util-linux mount:mount"
  [images]="buildah:buildah skopeo:skopeo mmdebstrap:mmdebstrap"
)

purpose=${1:-}
[[ -n ${wanted[$purpose]:-} ]] || die "use: prerequisites.sh cluster|images"

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
missing=()
for entry in ${wanted[$purpose]}; do
  command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
done
# These are in no PATH; the directories are those in which devcluster looks.
if [[ $purpose == cluster && ! -x /usr/lib/cni/ptp && ! -x /opt/cni/bin/ptp && ! -x /usr/libexec/cni/ptp ]]; then
  missing+=(containernetworking-plugins)
fi
((${#missing[@]})) || exit 0

mapfile -t packages < <(printf '%s\n' "${missing[@]}" | sort -u)
command -v apt-get >/dev/null ||
  die "missing: ${packages[*]} (names of Debian's packages). This machine has no apt-get; install them its own way"
((EUID == 0)) ||
  die "missing packages: ${packages[*]}. Install them as root: apt-get install --no-install-recommends ${packages[*]}"
say "installing packages: ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
retried apt-get update -qq >&2
retried apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
