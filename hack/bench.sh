#!/usr/bin/env bash
# Run the benchmarks and print their tables. Peers are installed by the benchmarks themselves.
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$repository"
python3 drift/benches/peers.py "$@"
