#!/usr/bin/env bash
# Clones that share a target directory, of a crate that prints what it was compiled from.
set -euo pipefail

hack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export CARGO_TARGET_DIR=$place/target

# clone NAME WORD: a new clone whose program prints WORD.
clone() {
  mkdir -p "$place/$1/src"
  printf '[package]\nname = "millwright-word"\nedition = "2024"\n' >"$place/$1/Cargo.toml"
  word "$1" "$2"
}

word() { printf 'fn main() { println!("%s"); }\n' "$2" >"$place/$1/src/main.rs"; }

# script NAME [COMMAND]: a script of the clone that runs this command.
script() {
  MILLWRIGHT_SOURCES='' repository=$place/$1 bash -euo pipefail -c '
    source "$0"
    own_target_directory
    trap "remember_sources || true" EXIT
    cd "$repository"
    eval "$1"' "$hack/sources.sh" "${2:-cargo run --quiet --offline}"
}

# expect NAME WORD CRATES: the program of the clone prints WORD, and so many crates were compiled.
expect() {
  local found compiled
  # shellcheck disable=SC2016 # for the script to expand
  found=$(script "$1" 'cargo run --offline 2>"$CARGO_TARGET_DIR/log"')
  compiled=$(grep -c Compiling "$CARGO_TARGET_DIR/log" || true)
  [[ "$found $compiled" == "$2 $3" ]] && return
  echo "line ${BASH_LINENO[0]}: clone $1 prints $found after compiling $compiled crates, not $2 after $3" >&2
  exit 1
}

clone a one
expect a one 1
expect a one 0
# A clone with the same content compiles nothing, one with another does, and so does the way back.
clone b one
expect b one 0
clone c two
expect c two 1
expect a one 1
# A file that is put back as it was, with its old time, too.
cp -p "$place/a/src/main.rs" "$place/old"
word a three
expect a three 1
cp -p "$place/old" "$place/a/src/main.rs"
expect a one 1
# What cargo compiles for itself between two scripts is not what the record says.
word a four
(cd "$place/a" && cargo build --quiet --offline)
rm -r "$place/a"
clone a one
expect a one 1
word a five
(cd "$place/a" && cargo build --quiet --offline)
expect b one 1
# Nor what it compiles of another clone.
word a seven
(cd "$place/a" && cargo build --quiet --offline)
script b true
expect b one 1
# Two scripts at once: the first ends when the second has compiled.
word a six
script b "touch $place/begun; until [[ -e $place/go ]]; do sleep 0.1; done" &
until [[ -e $place/begun ]]; do sleep 0.1; done
expect a six 1
touch "$place/go"
wait
expect b one 1
expect a six 1
# A file of which the name has a blank is left alone.
echo >"$place/a/a blank"
expect a six 0
[[ ! -e $place/a/a ]]
# A clone in the place of another.
expect b one 1
rm -r "$place/b"
clone b one
expect b one 0
