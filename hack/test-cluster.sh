#!/usr/bin/env bash
# Test the development cluster itself: the unit tests of its module, then, as root, whole clusters.
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$repository/hack/prerequisites.sh" cluster
"$repository/hack/tools.sh" devcluster pause coredns
cd "$repository/e2e/cluster"
# The flags of the build, so that what it has compiled is used again.
DEVCLUSTER_BIN=$MILLWRIGHT_HOME/bin CGO_ENABLED=0 go test -trimpath -count=1 ./...
