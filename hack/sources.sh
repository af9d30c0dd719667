# shellcheck shell=bash
#
# Lets clones share what cargo has compiled; to be sourced by lib.sh.
#
# cargo goes by times: a file that is older than what was compiled from it counts as unchanged, also
# when that was the file of another clone; and in a new clone every file is new, also when its
# content was compiled before. So a record beside what was compiled says which content a file had,
# and since when. From it, a file with the same content gets that time, and one with another content
# the present one.

sources_record=$CARGO_TARGET_DIR/.sources

# list_sources: of each file of the repository its hash, the time of its last change in seconds, and
# its path.
list_sources() {
  (
    cd "${repository:?}" || exit
    find . \( -name .git -o -name target \) -prune -o -type f -printf '%T@ %p\n'
    find . \( -name .git -o -name target \) -prune -o -type f -print0 | xargs -0 sha256sum --
  ) | awk '$1 ~ /[.]/ { time[$2] = $1; next } $2 in time { print $1, time[$2], $2 }'
}

# remember_sources writes the record.
remember_sources() {
  [[ -d $CARGO_TARGET_DIR ]] || return 0
  { printf "%s\n" "${repository:?}" && list_sources; } >"$sources_record.$$" &&
    mv "$sources_record.$$" "$sources_record"
}

# built_since_record: whether cargo has compiled for itself since the record was written, from
# sources that nobody knows.
built_since_record() {
  [[ -n $(find "$CARGO_TARGET_DIR" -path '*/.fingerprint/*millwright*' -name invoked.timestamp \
    -newer "$sources_record" -print -quit) ]]
}

# own_target_directory gives the files of this clone the times that fit to what was compiled.
own_target_directory() {
  mkdir -p "$CARGO_TARGET_DIR"
  local now
  now=$(date +%s.%N)
  if [[ -f $sources_record ]] && ! built_since_record; then
    list_sources |
      awk -v now="$now" '
        NR == FNR { if (FNR > 1) { hash[$3] = $1; time[$3] = $2 } next }
        hash[$3] != $1 { print now, $3; next }
        time[$3] != $2 { print time[$3], $3 }
      ' "$sources_record" - |
      (cd "${repository:?}" && while read -r time path; do touch --date "@$time" "$path"; done)
  elif [[ $(head -n 1 "$sources_record" 2>/dev/null) != "${repository:?}" ]]; then
    list_sources | awk '{ print $3 }' | (cd "${repository:?}" && xargs touch)
  fi
  remember_sources
}
