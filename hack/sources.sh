# shellcheck shell=bash
#
# Lets clones share what cargo has compiled; to be sourced by lib.sh.
#
# cargo goes by times: a file that is older than what was compiled from it counts as unchanged, also
# when that was the file of another clone; and in a new clone every file is new, also when its
# content was compiled before. So a record beside what was compiled says which content a file had,
# and since when. From it, a file with the same content gets that time, and one with another content
# the present one. When it can't be known what was compiled, every file gets the present time.

sources_record=$CARGO_TARGET_DIR/.sources
sources_owner=$CARGO_TARGET_DIR/.sources-owner

# list_sources: of each file of the repository its hash, the time of its last change in seconds, and
# its path. Times are read last: of a file that is changed meanwhile the old hash and the new time are
# found, and it is compiled once too often.
list_sources() {
  local files=(. \( -name .git -o -name target \) -prune -o -type f ! -name '*[[:space:]]*')
  (
    cd "${repository:?}" || exit
    # What has gone meanwhile needs no line.
    find "${files[@]}" -print0 | xargs -0 -r sha256sum -- 2>/dev/null || true
    find "${files[@]}" -printf '%T@ %p\n'
  ) | awk '$1 !~ /[.]/ { hash[$2] = $1; next } $2 in hash { print hash[$2], $1, $2 }'
}

# built_since_record: whether cargo has compiled for itself since the record was written, from
# sources that nobody knows.
built_since_record() {
  [[ -n $(find "$CARGO_TARGET_DIR" -path '*/.fingerprint/*millwright*' -name invoked.timestamp \
    -newer "$sources_record" -print -quit) ]]
}

# own_target_directory gives the files of this clone the times that fit to what was compiled. What a
# script calls is part of it.
own_target_directory() {
  [[ -z ${MILLWRIGHT_SOURCES:-} ]] || return 0
  export MILLWRIGHT_SOURCES=$$
  mkdir -p "$CARGO_TARGET_DIR"
  local record=/dev/null now
  now=$(date +%s.%N)
  if [[ -f $sources_record ]] && ! built_since_record; then
    record=$sources_record
  fi
  list_sources |
    awk -v now="$now" '
      FILENAME != "-" { hash[$3] = $1; time[$3] = $2; next }
      hash[$3] != $1 { print now, $3; next }
      time[$3] != $2 { print time[$3], $3 }
    ' "$record" - |
    (cd "${repository:?}" && while read -r time path; do touch --no-create --date "@$time" "$path"; done)
  # Until this script has ended, nobody knows what is compiled.
  rm -f "$sources_record"
  printf '%s %s\n' "$$" "$now" >"$sources_owner"
  sources_mine=$(<"$sources_owner")
}

# remember_sources writes the record, unless another script has begun or ended meanwhile.
remember_sources() {
  [[ -n ${sources_mine:-} && -d $CARGO_TARGET_DIR ]] || return 0
  if [[ $(cat "$sources_owner" 2>/dev/null) != "$sources_mine" ]]; then
    rm -f "$sources_record"
    echo contested >"$sources_owner"
  elif list_sources >"$sources_record.new"; then
    mv "$sources_record.new" "$sources_record"
  fi
}
