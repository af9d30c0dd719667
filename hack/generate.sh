#!/usr/bin/env bash
# Write the CRDs, as the crds crate says them, to a folder: generate.sh FOLDER.
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

folder=$(realpath --canonicalize-missing "${1:?a folder is missing}")
cd "$repository"
# The whole workspace is selected, as when it is tested: nothing is compiled twice.
cargo build --release --locked --quiet --workspace --example generate-crds
"$CARGO_TARGET_DIR/$(host_triple)/release/examples/generate-crds" "$folder"
