# shellcheck shell=bash disable=SC2154,SC2034 # variables of deploy.sh, which includes this
# What is ours in the cluster: which version of it is there, what is left of another overlay, and how all of it goes.

# Every kind that a manifest makes, of whatever overlay. Policies last: while anything is being removed, its ways stay open.
our_kinds=(
  namespaces secrets services.serving.knative.dev deployments.apps statefulsets.apps jobs.batch cronjobs.batch
  pingsources.sources.knative.dev triggers.eventing.knative.dev brokers.eventing.knative.dev
  clusters.postgresql.cnpg.io poolers.postgresql.cnpg.io
  servicemonitors.monitoring.coreos.com podmonitors.monitoring.coreos.com prometheusrules.monitoring.coreos.com
  poddisruptionbudgets.policy services configmaps serviceaccounts networkpolicies.networking.k8s.io
)

# A line for each: KIND.GROUP/NAME RESOURCEVERSION KEPT OWNER, the last two <none> where there is none.
list_what_is_ours() {
  local kind kinds=''
  [ -f "$work/versions" ] || k api-versions >"$work/versions"
  for kind in "${our_kinds[@]}"; do
    case $kind in
      *.*) ! grep -q "^${kind#*.}/" "$work/versions" || kinds+=,$kind ;;
      *) kinds+=,$kind ;;
    esac
  done
  k get "${kinds#,}" --namespace payments --selector app.kubernetes.io/part-of=payment-service --ignore-not-found --no-headers \
    --output 'custom-columns=A:.apiVersion,K:.kind,N:.metadata.name,R:.metadata.resourceVersion,L:.metadata.labels.payments/kept,O:.metadata.ownerReferences[*].kind' |
    name_as_kubectl_does
}

# Of "apps/v1 Deployment x …" makes "deployment.apps/x …", as kubectl writes names and takes them.
name_as_kubectl_does() {
  awk '{group = $1; sub("/?[^/]*$", "", group); print tolower($2) (group == "" ? "" : "." group) "/" $3, $4, $5, $6}'
}

# Namespaces and Secrets never, whoever's label they carry.
list_what_may_go() { list_what_is_ours | awk '$1 !~ "^(namespace|secret)/" && $3 != "true" && $4 == "<none>" {print $1}'; }

# Asked before anything is deleted, and never about the database: its StatefulSet, and what that needs as long as it is there.
list_the_leftovers() {
  list_what_may_go >"$work/ours"
  list_what_was_applied >"$work/wanted"
  # A revision that still finishes its requests, or is given traffic again by hand, starts pods by the settings it names.
  k get revisions.serving.knative.dev --namespace payments --output \
    'jsonpath={range .items[*]}{.spec.containers[*].envFrom[*].configMapRef.name} {.spec.volumes[*].configMap.name}{"\n"}{end}' |
    tr ' ' '\n' | sed -n 's|^.|configmap/&|p' >>"$work/wanted"
  # The policy is the one by which the pods of the operator's database, which stays too, reach each other.
  printf '%s\n' statefulset.apps/payment-postgres \
    networkpolicy.networking.k8s.io/database-cluster-from-pooler-and-job >>"$work/wanted"
  if grep -qx statefulset.apps/payment-postgres "$work/ours"; then
    printf '%s\n' service/payment-postgres service/payment-database serviceaccount/payment-postgres >>"$work/wanted"
  fi
  grep -vxFf "$work/wanted" "$work/ours" || true
}

remove_the_leftovers() {
  list_the_leftovers >"$work/leftovers"
  [ -s "$work/leftovers" ] || return 0
  if grep -v '^configmap/' "$work/leftovers" >/dev/null; then
    # Knative says Ready when traffic goes to the new pods; the old ones may still be using what goes here.
    (wait_until "$timeout" "The pods of earlier revisions are gone" list_the_pods_of_earlier_revisions the_earlier_revisions_are_idle) || {
      say "Left for the next run, because of pods that still run: $(tr '\n' ' ' <"$work/leftovers")"
      return 0
    }
  fi
  say "Removing what is not in this overlay"
  { grep -v '^networkpolicy\.' "$work/leftovers" || true; } | remove_what_is_listed
  { grep '^networkpolicy\.' "$work/leftovers" || true; } | remove_what_is_listed
}

# Takes the names on standard input.
remove_what_is_listed() {
  local names
  names=$(cat)
  [ -z "$names" ] || printf '%s\n' "$names" |
    xargs kubectl --context "$context" delete --namespace payments --ignore-not-found --timeout="${timeout}s"
}

the_earlier_revisions_are_idle() {
  local old
  old=$(list_the_pods_of_earlier_revisions) && [ -z "$old" ]
}

list_the_pods_of_earlier_revisions() {
  k get services.serving.knative.dev --namespace payments --no-headers \
    --output 'custom-columns=R:.status.latestReadyRevisionName' >"$work/revisions"
  k get pods --namespace payments --selector serving.knative.dev/revision --no-headers --ignore-not-found \
    --output 'custom-columns=R:.metadata.labels.serving\.knative\.dev/revision' | grep -vxFf "$work/revisions" || true
}

# The StatefulSet's volume belongs to no manifest and stays; so do the Secret, without whose passwords it could not be read,
# and an operator's database: these are labelled payments/kept.
delete_the_service() {
  say "Removing the service"
  list_what_may_go | remove_what_is_listed
}

delete_the_data() {
  say "Removing the data"
  k delete namespace payments --ignore-not-found --wait
  say "The namespace is gone, and the volume with it"
}
