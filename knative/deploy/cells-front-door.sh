# shellcheck shell=bash disable=SC2154,SC2034 # variables of deploy.sh, which includes this
# The front door of cells: one address for all, in a namespace of its own. It is made of the list of cells, and goes with the last.

# Deployed as a cell is, but with another namespace and other manifests; without the cell of the namespace that is named, if one is.
roll_the_front_door_of_cells() {
  local leaving=${1:-} namespace=payments-cells overlay=$work/door
  list_the_cells_that_serve | awk -v leaving="$leaving" '$3 != leaving' >"$work/serving"
  if [ ! -s "$work/serving" ]; then
    say "Removing the front door of cells, which has no cell any more"
    k delete namespace "$namespace" --ignore-not-found --wait
    return
  fi
  write_the_overlay_of_the_front_door_of_cells
  render_the_overlay
  name_the_image_in_the_manifests
  apply_part "front door of cells" app.kubernetes.io/part-of=payment-service
  wait_for_each_part
  remove_the_leftovers
  say "All cells ($(awk '{printf "%s%s", comma, $2; comma = ", "}' "$work/serving")) are at" \
    "http://payment-service.$namespace.svc.cluster.local:8082 inside the cluster, and from here after"
  say "  kubectl --context $context port-forward --namespace $namespace service/payment-service 8082:8082"
  the_first_installation_has_a_name "$leaving"
}

# Envoy's configuration is a cell's own, but for what it leads to: not functions, but cells, which the pod's first container writes.
write_the_overlay_of_the_front_door_of_cells() {
  local of_a_cell=$here/base/front-door
  mkdir "$work/door"
  cp "$of_a_cell/listener.yaml" "$here/cells-front-door/routes.yaml" "$work/door"
  awk '/^    - name: create_payment$/ {exit} {print} /^dynamic_resources:$/ {
    print "  cds_config:"; print "    resource_api_version: V3"; print "    path_config_source: {path: /etc/access/clusters.json}"}' \
    "$of_a_cell/envoy.yaml" >"$work/door/envoy.yaml"
  cat >"$work/door/kustomization.yaml" <<KUSTOMIZATION
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: payments-cells
resources: ["$(path_from "$work/door" "$here/cells-front-door")"]
components: [$(watch_where_there_is_an_operator)]
generatorOptions:
  labels: {app.kubernetes.io/component: configuration, app.kubernetes.io/part-of: payment-service}
configMapGenerator:
  - name: cells-front-door
    files: [envoy.yaml, listener.yaml, routes.yaml]
  - name: cells
    literals: ["CELLS=$(awk '{printf "%s%s=%s@payment-service.%s.svc.cluster.local:8082", comma, $2, $1, $3; comma = ","}' "$work/serving")"]
KUSTOMIZATION
}

# What Prometheus and Grafana are told of all cells, once.
watch_where_there_is_an_operator() {
  k api-versions >"$work/versions"
  ! grep -q '^monitoring\.coreos\.com/' "$work/versions" || path_from "$work/door" "$here/cells-front-door/monitoring"
}

# No cell, but number 0 all the same: what it gave out leads here to nobody.
the_first_installation_has_a_name() {
  [ "$1" != payments ] && grep -qx payments "$work/doors" && ! grep -q ' payments$' "$work/serving" || return 0
  say "Beware: the service in the namespace payments is not among them: --cell NAME=0 makes it one"
}

# Which cells there are is a setting of each, and the other ones have it from before.
the_consoles_of_the_others_are_behind() {
  [ -s "$work/others" ] && ! grep -q " $namespace\$" "$work/served" || return 0
  say "The consoles of the other cells name $cell_name when these are deployed again (--cells all)"
}

# Before it goes, so that nobody is sent to what is being removed. Its database, number and name stay.
take_the_cell_off_the_list() {
  choose_the_cell
  image=$(k get deployment cells-front-door --namespace payments-cells --ignore-not-found \
    --output 'jsonpath={.spec.template.spec.initContainers[0].image}')
  [ -z "$image" ] || roll_the_front_door_of_cells "$namespace"
}
