#!/usr/bin/env bash
# Bring the development cluster up or down: cluster.sh up [FLAG]... | down [FLAG]...
# shellcheck source=hack/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

command=${1:-}
case $command in
up)
  "$repository/hack/prerequisites.sh" cluster
  "$repository/hack/tools.sh"
  ;;
down)
  # Without the program there has never been a cluster.
  [[ -x $MILLWRIGHT_HOME/bin/devcluster ]] || exit 0
  ;;
*)
  die "use: cluster.sh up|down"
  ;;
esac
exec devcluster "$command" --name "${CLUSTER:-dev}" "${@:2}"
