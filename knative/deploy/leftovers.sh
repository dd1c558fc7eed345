# shellcheck shell=bash disable=SC2154,SC2034 # variables of deploy.sh, which includes this
# What is ours in the cluster: which version of it is there, what is left of another overlay, and how all of it goes.

# Every kind that a manifest makes, of whatever overlay; they go in this order.
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
  k get "${kinds#,}" --namespace "$namespace" --selector app.kubernetes.io/part-of=payment-service --ignore-not-found --no-headers \
    --output 'custom-columns=A:.apiVersion,K:.kind,N:.metadata.name,R:.metadata.resourceVersion,L:.metadata.labels.payments/kept,O:.metadata.ownerReferences[*].kind' |
    name_as_kubectl_does
}

# Of "apps/v1 Deployment x …" makes "deployment.apps/x …", as kubectl writes names and takes them.
name_as_kubectl_does() {
  awk '{group = $1; sub("/?[^/]*$", "", group); print tolower($2) (group == "" ? "" : "." group) "/" $3, $4, $5, $6}'
}

# Of such lines on standard input. Namespaces and Secrets never, whoever's label they carry.
choose_what_may_go() { awk '$1 !~ "^(namespace|secret)/" && $3 != "true" && $4 == "<none>" {print $1}'; }

# Where any of these questions fails, so does the script: what is not known to be unwanted stays.
list_the_leftovers() {
  list_what_is_ours >"$work/there"
  list_what_was_applied >"$work/manifests"
  {
    cat "$work/manifests"
    list_the_settings_of_revisions
    list_what_the_databases_need
  } >"$work/wanted"
  choose_what_may_go <"$work/there" | { grep -vxFf "$work/wanted" || [ $? = 1 ]; }
}

# A revision that still finishes its requests, or is given traffic again by hand, starts pods by the settings it names.
list_the_settings_of_revisions() {
  k get revisions.serving.knative.dev --namespace "$namespace" --output \
    'jsonpath={range .items[*]}{.spec.containers[*].envFrom[*].configMapRef.name} {.spec.volumes[*].configMap.name}{"\n"}{end}' |
    tr ' ' '\n' | sed -n 's|^.|configmap/&|p'
}

# No database goes with its overlay, nor what it needs as long as it is there: by that policy the operator's pods reach each other.
list_what_the_databases_need() {
  if there_is statefulset.apps/payment-postgres; then
    printf '%s\n' statefulset.apps/payment-postgres service/payment-postgres service/payment-database serviceaccount/payment-database
  fi
  if there_is cluster.postgresql.cnpg.io/payment-postgres; then
    printf '%s\n' networkpolicy.networking.k8s.io/database-cluster-from-pooler-and-job serviceaccount/payment-postgres
  fi
}

there_is() { grep -q "^$1 " "$work/there"; }

remove_the_leftovers() {
  list_the_leftovers >"$work/leftovers"
  name_the_database_that_stays
  [ -s "$work/leftovers" ] || return 0
  if grep -v '^configmap/' "$work/leftovers" >/dev/null; then
    # Knative says Ready when traffic goes to the new pods; the old ones may still be using what goes here.
    (wait_until "$timeout" "The pods of earlier revisions are gone" explain_the_last_try the_earlier_revisions_have_no_pod) || {
      say "Left for the next run, because of pods that still run: $(tr '\n' ' ' <"$work/leftovers")"
      return 0
    }
  fi
  say "Removing what is not in this overlay"
  remove_what_is_listed <"$work/leftovers"
}

# Only whoever knows where its data went may remove a database.
name_the_database_that_stays() {
  local database
  for database in statefulset.apps/payment-postgres cluster.postgresql.cnpg.io/payment-postgres; do
    if there_is "$database" && ! grep -qxF "$database" "$work/manifests"; then
      say "Kept, with its data, though this overlay does not use it: $database (kubectl delete --namespace $namespace $database)"
    fi
  done
}

the_earlier_revisions_have_no_pod() {
  k get services.serving.knative.dev --namespace "$namespace" --no-headers \
    --output 'custom-columns=R:.status.latestReadyRevisionName' >"$work/latest" &&
    k get pods --namespace "$namespace" --selector serving.knative.dev/revision --no-headers --ignore-not-found \
      --output 'custom-columns=R:.metadata.labels.serving\.knative\.dev/revision' >"$work/running" || return
  ! grep -vxFf "$work/latest" "$work/running"
}

# Takes the names on standard input. Policies last: while anything is being removed, its ways stay open.
remove_what_is_listed() {
  cat >"$work/going"
  { grep -v '^networkpolicy\.' "$work/going" || true; } | remove_together
  { grep '^networkpolicy\.' "$work/going" || true; } | remove_together
}

remove_together() {
  local names
  names=$(cat)
  [ -z "$names" ] || printf '%s\n' "$names" |
    xargs kubectl --context "$context" delete --namespace "$namespace" --ignore-not-found --timeout="${timeout}s"
}

# The StatefulSet's volume belongs to no manifest and stays; so do the Secret, without whose passwords it could not be read,
# and an operator's database: these are labelled payments/kept.
delete_the_service() {
  say "Removing the service"
  list_what_is_ours | choose_what_may_go | remove_what_is_listed
}

delete_the_data() {
  say "Removing the data"
  k delete namespace "$namespace" --ignore-not-found --wait
  say "The namespace is gone, and the volume with it"
}
