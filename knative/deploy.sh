#!/usr/bin/env bash
# Deploys the payment service on Knative, from nothing to an address. Safe to run again: it changes only what differs, and
# never loses data. See docs/knative.md and docs/production.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
# shellcheck source=knative/versions.env
source "$here/versions.env"
# shellcheck source=knative/deploy/speak.sh
source "$here/deploy/speak.sh"
# shellcheck source=knative/deploy/cluster.sh
source "$here/deploy/cluster.sh"
# shellcheck source=knative/deploy/image.sh
source "$here/deploy/image.sh"
# shellcheck source=knative/deploy/access.sh
source "$here/deploy/access.sh"
# shellcheck source=knative/deploy/secret.sh
source "$here/deploy/secret.sh"
# shellcheck source=knative/deploy/parts.sh
source "$here/deploy/parts.sh"
# shellcheck source=knative/deploy/leftovers.sh
source "$here/deploy/leftovers.sh"
# shellcheck source=knative/deploy/address.sh
source "$here/deploy/address.sh"
# shellcheck source=knative/deploy/cells.sh
source "$here/deploy/cells.sh"
# shellcheck source=knative/deploy/cells-front-door.sh
source "$here/deploy/cells-front-door.sh"

show_usage() {
  cat <<'USAGE'
knative/deploy.sh [options]        deploys on Minikube, which it starts unless it runs
  --profile NAME                   Minikube's profile (minikube)
  --cpus N --memory SIZE           for a Minikube that has to be made (4, 6g); an existing one is never resized
  --context NAME                   deploys to this context's cluster instead, which has Knative already
  --image NAME                     this image, which is there already, instead of building one
  --load-command COMMAND           how to bring the image to the cluster's nodes; the image's name is put at its end
  --overlay NAME                   minikube (default) or production, or the path of another overlay
  --cell NAME=NUMBER               a cell, in the namespace payments-NAME (payments for number 0); one that is there by NAME alone
  --cells all                      every cell that is there, one after another, up to the first that fails
  --no-front-door                  with --cell: leaves the front door of cells as it is
  --timeout SECONDS                how long each part may take (300)
  --no-test                        leaves test-k8s.sh to you
  --rotate-password                gives the functions a new role and password, without an interruption
  --delete                         removes the service, of whatever overlay; the database and its passwords stay
  --delete-data                    with --delete: these too, and the namespace
USAGE
}

read_the_options() {
  profile=minikube cpus=4 memory=6g context='' image='' load_command='' overlay=minikube timeout=300
  test=yes action=deploy delete_data=no namespace=payments cell='' cells='' front_door=yes for_each_cell=()
  while [ $# -gt 0 ]; do
    case $1 in
      --profile | --cpus | --memory | --context | --image | --load-command | --overlay | --timeout)
        [ $# -ge 2 ] || stop "$1 wants a value"
        local name=${1#--}
        printf -v "${name//-/_}" '%s' "$2"
        shift
        ;;
      # An empty one is a mistake, not the installation that is no cell.
      --cell | --cells)
        [ -n "${2:-}" ] || stop "$1 wants a value"
        printf -v "${1#--}" '%s' "$2"
        shift
        ;;
      --no-test) test=no for_each_cell+=("$1") ;;
      --rotate-password) action=rotate for_each_cell+=("$1") ;;
      --no-front-door) front_door=no ;;
      --delete) action=delete ;;
      --delete-data) delete_data=yes ;;
      --help | -h) show_usage && exit 0 ;;
      *) show_usage >&2 && stop "unknown option: $1" ;;
    esac
    shift
  done
  [ "$delete_data" = no ] || [ "$action" = delete ] || stop "--delete-data goes with --delete"
  [ -z "$cell" ] || read_the_cell
  [[ -z $cells || $cells = all && -z $cell && $action != delete ]] || stop "--cells wants all, and neither --cell nor --delete beside it"
  [[ $timeout =~ ^[1-9][0-9]*$ ]] || stop "--timeout wants a number of seconds"
  if [ -n "$context" ] && [ "$action" != delete ] && [ -z "$image$load_command" ]; then
    stop "--context wants --image, an image that the cluster can pull or has, or --load-command, how to load the one built here"
  fi
  case $overlay in */*) ;; *) overlay=$here/overlays/$overlay ;; esac
  [ -f "$overlay/kustomization.yaml" ] || stop "there is no overlay $overlay"
}

deploy() {
  if [ -n "$cell" ]; then
    reach_the_cluster
    choose_the_cell
    render_the_overlay_of_the_cell
  else
    render_the_overlay
  fi
  the_overlay_says_who_may_call
  reach_the_cluster
  [ -n "$cell" ] || the_namespace_is_no_cell
  provide_the_image
  name_the_image_in_the_manifests
  set_the_clock_to_the_time_zone
  the_cluster_vouches_for_its_service_accounts
  the_cluster_knows_every_kind
  events_carry_tokens_where_the_cluster_wants_them
  the_functions_can_be_reached_through_kourier
  apply_the_foundation
  [ "$action" != rotate ] || rotate_the_password
  name_the_database_role_in_the_manifests
  apply_the_database_and_wait
  run_the_migration_unless_it_ran
  apply_the_rest
  wait_for_each_part
  remove_the_leftovers
  find_the_address
  [ "$test" = no ] || test_what_was_deployed
  if [ -n "$cell" ] && [ "$front_door" = yes ]; then
    roll_the_front_door_of_cells
    the_consoles_of_the_others_are_behind
  fi
  say "The payment service answers at $address"
  [ -z "$address_hint" ] || say "$address_hint"
}

delete() {
  the_cluster_answers
  if [ -n "$cell" ]; then take_the_cell_off_the_list; else the_namespace_is_no_cell; fi
  delete_the_service
  if [ "$delete_data" = yes ]; then
    delete_the_data
  else
    say "Kept: the volume, the database's passwords and the namespace (--delete --delete-data removes them too)"
  fi
}

main() {
  read_the_options "$@"
  work=$(mktemp -d)
  trap clean_up EXIT
  the_tools_are_there
  if [ "$action" = delete ]; then delete; elif [ -n "$cells" ]; then deploy_every_cell; else deploy; fi
}

main "$@"
