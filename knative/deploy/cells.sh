# shellcheck shell=bash disable=SC2154,SC2034 # variables of deploy.sh, which includes this
# Cells: which there are, what one's manifests are, and all of them one after another. The cluster's namespaces are the one list:
# each bears its cell's number and name as labels, also while the service of a cell is removed and its database kept.

read_the_cell() {
  local wanted="--cell wants NAME=NUMBER, such as mumbai=1, or the NAME of a cell that is there; the number from 0 to 8191"
  [[ $cell =~ ^([a-z]([a-z0-9-]{0,30}[a-z0-9])?)(=(0|[1-9][0-9]{0,3}))?$ ]] || stop "$wanted"
  cell_name=${BASH_REMATCH[1]} cell_number=${BASH_REMATCH[4]}
  [ "${cell_number:-0}" -le 8191 ] || stop "$wanted"
  case $cell_name in
    # As shared/rules/cells.py has it: the namespace payments-cells is the front door's, --cells all means every one, a host is called so.
    all | any | cells | localhost | payment-service) stop "no cell is called $cell_name, which means something else" ;;
  esac
}

# A line for each: NUMBER NAME NAMESPACE.
list_the_cells() {
  k get namespaces --selector payments/cell --ignore-not-found --no-headers \
    --output 'custom-columns=C:.metadata.labels.payments/cell,N:.metadata.labels.payments/cell-name,S:.metadata.name' |
    awk '{print $1, $2, $3}' | sort -n
}

# Such lines, of those that have a front door: without one, a cell has been removed, and only its database is kept.
list_the_cells_that_serve() {
  k get services --all-namespaces --selector app.kubernetes.io/part-of=payment-service,app.kubernetes.io/component=front-door \
    --ignore-not-found --no-headers --output 'custom-columns=N:.metadata.namespace' >"$work/doors"
  list_the_cells | awk -v doors="$work/doors" 'BEGIN {while ((getline door < doors) > 0) serves[door]} $3 in serves'
}

# Before anything is built or applied: two cells of one number would give out the same ids.
choose_the_cell() {
  list_the_cells >"$work/cells"
  [ -n "$cell_number" ] || cell_number=$(awk -v name="$cell_name" '$2 == name {print $1}' "$work/cells")
  [ -n "$cell_number" ] || stop "this cluster has no cell $cell_name: --cell $cell_name=NUMBER adds one"
  namespace=payments-$cell_name
  [ "$cell_number" != 0 ] || namespace=payments
  local number name place
  while read -r number name place; do
    [ "$number $name $place" != "$cell_number $cell_name $namespace" ] || continue
    [ "$number" != "$cell_number" ] && [ "$name" != "$cell_name" ] ||
      stop "$cell_name=$cell_number can't be: the namespace $place is the cell $name=$number, and no two have one name or number"
  done <"$work/cells"
  [ ! -f "$here/cells/$cell_name/kustomization.yaml" ] || overlay=$here/cells/$cell_name
}

# Deployed as if it were none, a cell would lose its name, and its namespace the labels. And whoever forgets the name among
# cells would make an installation more.
the_namespace_is_no_cell() {
  local name
  name=$(k get namespace payments --ignore-not-found --output 'jsonpath={.metadata.labels.payments/cell-name}')
  [ -z "$name" ] || stop "the namespace payments is the cell $name: say --cell $name"
  list_the_cells >"$work/cells"
  [ ! -s "$work/cells" ] || [ -n "$(k get namespace payments --ignore-not-found --output name)" ] ||
    stop "this cluster's services are cells: say --cell NAME, of $(awk '{printf "%s%s", comma, $2; comma = ", "}' "$work/cells")"
}

# What the overlay makes, with the cell's settings: kustomize merges them, so that the names of settings go on telling their content.
render_the_overlay_of_the_cell() {
  list_the_cells_that_serve >"$work/served"
  awk -v here="$namespace" '$3 != here' "$work/served" >"$work/others"
  mkdir "$work/cell"
  cat >"$work/cell/kustomization.yaml" <<KUSTOMIZATION
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: ["$(path_from "$work/cell" "$overlay")"]
configMapGenerator:
  - name: payment-settings
    namespace: payments
    behavior: merge
    literals: ["CELL=$cell_number", "CELL_NAME=$cell_name", "CELLS=$(name_the_cells)"]
patches:
  - target: {kind: Namespace, name: payments}
    patch: |
      - {op: add, path: /metadata/labels/payments~1cell, value: "$cell_number"}
      - {op: add, path: /metadata/labels/payments~1cell-name, value: "$cell_name"}
  # Alerts, sums and the dashboard are of all cells: they are beside the front door of cells, once.
  - target: {labelSelector: payments/all-cells=true}
    patch: '{\$patch: delete, apiVersion: v1, kind: Any, metadata: {name: any}}'
KUSTOMIZATION
  overlay=$work/cell render_the_overlay
  if [ "$namespace" = payments ]; then name_the_cell_in_figures; else move_to_the_namespace_of_the_cell; fi
}

# This one is among them from its first day.
name_the_cells() {
  { cat "$work/others" && echo "$cell_number $cell_name"; } | sort -n | awk '{printf "%s%s=%s", comma, $2, $1; comma = ","}'
}

# kustomize takes no absolute path. Of FOLDER to OTHER: up to the root, and down again.
path_from() { echo "$(cd "$1" && pwd -P | sed 's|/[^/]*|../|g')$(cd "$2" && pwd -P | cut -c 2-)"; }

# Wherever the namespace is written, as such or in a name: of hosts, of a Broker's path and audience, of service accounts, in
# alerts. The port of the node is the first installation's; Kubernetes chooses another.
move_to_the_namespace_of_the_cell() {
  sed -i.before -E \
    -e "/^kind: Namespace\$/,/^---\$/ s|^  name: payments\$|  name: $namespace|" \
    -e "s#^( *(- )?(namespace|kubernetes\.io/metadata\.name): )payments\$#\1$namespace#" \
    -e "s#\.payments\.svc#.$namespace.svc#g" \
    -e "s#(-ingress\.knative-eventing\.svc\.cluster\.local|eventing\.knative\.dev/broker)/payments/#\1/$namespace/#g" \
    -e "s#system:serviceaccount:payments:#system:serviceaccount:$namespace:#g" \
    -e "s#namespace=(\\\\?)\"payments\\\\?\"#namespace=\1\"$namespace\1\"#g" \
    -e '/^    nodePort: 30082$/d' "$work/rendered.yaml"
}

# Prometheus finds the name of a cell in that of its namespace; number 0 has none there.
name_the_cell_in_figures() {
  sed -i.before -E "/^ *(- )?regex: payments-\(\.\+\)\$/ {s/-\(\.\+\)//; n; s/\\\$1/$cell_name/;}" "$work/rendered.yaml"
}

# Each by a run of its own, so that what one leaves behind is nobody else's; they have the one image.
deploy_every_cell() {
  reach_the_cluster
  list_the_cells_that_serve >"$work/cells"
  [ -s "$work/cells" ] || stop "this cluster has no cell: --cell NAME=NUMBER adds one"
  provide_the_image
  local name finished=() failed='' left=()
  while read -r _ name _ <&3; do
    if [ -n "$failed" ]; then
      left+=("$name")
    elif say "--- $name" && deploy_alone "$name"; then
      finished+=("$name")
    else
      failed=$name
    fi
  done 3<"$work/cells"
  say "done: ${finished[*]:-none}"
  [ -z "$failed" ] || stop "failed: $failed; not begun: ${left[*]:-none}. Run again: what is done changes nothing"
  roll_the_front_door_of_cells
}

deploy_alone() {
  bash "$here/deploy.sh" --cell "$1" --context "$context" --profile "$profile" --image "$image" --overlay "$overlay" \
    --timeout "$timeout" --no-front-door ${for_each_cell[@]+"${for_each_cell[@]}"}
}
