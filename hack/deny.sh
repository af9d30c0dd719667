#!/usr/bin/env bash
# Check the dependencies with cargo-deny: licences, bans and sources always; advisories where their
# database can be reached. deny.toml says what is allowed.
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=0.20.2
program=$MILLWRIGHT_HOME/bin/cargo-deny-$version

# The tool is built outside the repository, whose cargo configuration is for the project's binaries.
install() {
  local root=$MILLWRIGHT_HOME/cargo-deny-build
  say "building cargo-deny $version (once; takes minutes)"
  rm -rf "$root"
  mkdir -p "$root" "$MILLWRIGHT_HOME/bin"
  (cd "$root" && CARGO_TARGET_DIR=$root/target retried cargo install --quiet --debug --locked --root "$root" --version "$version" cargo-deny)
  mv "$root/bin/cargo-deny" "$program"
  rm -rf "$root"
  find "$MILLWRIGHT_HOME/bin" -maxdepth 1 -name 'cargo-deny-*' ! -name "cargo-deny-$version" -delete
}

exec 9>"$MILLWRIGHT_HOME/.cargo-deny.lock"
flock 9
[[ -x $program ]] || install
[[ ${1:-} == --install ]] && exit 0

cd "$repository"
"$program" --log-level error check --hide-inclusion-graph licenses bans sources >&2

# The database is a git repository; fetching it is what may not be possible.
if output=$("$program" --log-level error fetch db 2>&1); then
  "$program" --log-level error check --disable-fetch --hide-inclusion-graph advisories >&2
else
  say "advisories: NOT CHECKED, their database can't be reached from here ($(tail -n 1 <<<"$output" | cut -c1-160))"
fi
