# shellcheck shell=bash
#
# Shared by the scripts in this directory; to be sourced.

set -euo pipefail

# shellcheck disable=SC2034 # for whoever sources this
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# All that is built, cached or run lives in one directory outside the repository.
export MILLWRIGHT_HOME=${MILLWRIGHT_HOME:-$HOME/.cache/millwright}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$MILLWRIGHT_HOME/target}
export PATH=$MILLWRIGHT_HOME/bin:$PATH

# shellcheck source=hack/sources.sh
source "$repository/hack/sources.sh"

say() { printf '%s\n' "$*" >&2; }

die() {
  say "$(basename "$0"): $*"
  exit 1
}

# retried COMMAND...: runs it up to three times. For downloads, which fail now and then.
retried() {
  local try
  for try in 1 2 3; do
    "$@" && return 0
    ((try == 3)) || { say "failed: $*; again in $((try * 5)) s" && sleep $((try * 5)); }
  done
  return 1
}

# host_triple prints what cargo calls this machine; the folder of its binaries has that name.
host_triple() { rustc --version --verbose | awk '$1 == "host:" {print $2}'; }

# content_hash DIRECTORY FIND-EXPRESSION...: one hash over the names and contents of the files found.
content_hash() {
  local directory=$1
  shift
  (cd "$directory" && find . -type f "$@" -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum) | sha256sum | cut -c1-16
}

own_target_directory
trap 'remember_sources || true' EXIT
