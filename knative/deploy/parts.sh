# shellcheck shell=bash disable=SC2154,SC2034 # variables of deploy.sh, which includes this
# The parts of the service, in their order: foundation, database, migration, everything else.

apply_part() {
  list_what_is_ours >"$work/before"
  : >"$work/applied"
  wait_until 60 "Applied: $1" explain_the_last_try apply_quietly "$2"
  list_what_is_ours >"$work/after"
  show_what_changed
}

# A webhook that has just been started refuses for a few seconds, hence tried again.
apply_quietly() {
  local status=0
  k apply --filename "$work/all.yaml" --selector "$1" >"$work/said" 2>&1 || status=$?
  cat "$work/said"
  grep -E '^Warning: | (created|configured)$' "$work/said" >>"$work/applied" || true
  return "$status"
}

# kubectl says `configured` of whatever it sent, also where nothing came of it (a default that the cluster filled in, an
# annotation that a webhook put there); the resource's version tells.
show_what_changed() {
  awk -v before="$work/before" -v after="$work/after" '
    FILENAME == before {old[$1] = $2; next}
    FILENAME == after {new[$1] = $2; next}
    $2 == "configured" && old[$1] == new[$1] || seen[$1]++ && $1 != "Warning:" {next}
    {print "  " $0; some = 1}
    END {if (!some) print "  nothing to change"}' "$work/before" "$work/after" "$work/applied"
}

apply_the_foundation() {
  apply_part "namespace and settings" 'app.kubernetes.io/component in (foundation,configuration)'
  make_the_passwords_unless_there_are_some
  make_the_session_key_where_people_sign_in
}

apply_the_database_and_wait() {
  apply_part database 'app.kubernetes.io/component in (database,pooler)'
  if grep -q '^kind: StatefulSet$' "$work/all.yaml"; then
    wait_until "$timeout" "The database is ready" explain_the_pods \
      k rollout status statefulset/payment-postgres --namespace "$namespace" --timeout=5s
    give_the_owner_its_password
  fi
  if grep -q '^apiVersion: postgresql.cnpg.io/' "$work/all.yaml"; then
    wait_until "$((timeout * 3))" "The database cluster is ready" explain_the_pods \
      k wait --for=condition=Ready clusters.postgresql.cnpg.io/payment-postgres --namespace "$namespace" --timeout=5s
  fi
  wait_for_the_pooler
}

# Before the functions whose settings name it: they are ready, and get traffic, whatever their database does. The operator calls
# the Deployment of a Pooler as the Pooler.
wait_for_the_pooler() {
  local pooler
  pooler=$(list_what_was_applied | sed -n 's|^deployment\.apps/\(payment-pgbouncer\)$|\1|p; s|^pooler\.postgresql\.cnpg\.io/||p')
  [ -z "$pooler" ] || wait_until "$timeout" "The pooler is ready" explain_the_pods \
    k rollout status "deployment/$pooler" --namespace "$namespace" --timeout=5s
}

# A Job's template can't be changed, so one that differs is replaced. Which it is, a hash on the Job says.
run_the_migration_unless_it_ran() {
  local hash
  hash=$(awk '/^---/ {if (doc ~ /component: migration/) printf "%s", doc; doc = ""; next} {doc = doc $0 "\n"}
    END {if (doc ~ /component: migration/) printf "%s", doc}' "$work/all.yaml" | hash_of)
  sed -i.before "s|payments/template: unset|payments/template: $hash|" "$work/all.yaml"
  if [ "$(ask_the_job '{.metadata.annotations.payments/template}')" = "$hash" ] && the_migration_succeeded; then
    say "The migration of this image ran already"
    return
  fi
  k delete job payment-migrate --namespace "$namespace" --ignore-not-found --wait >/dev/null
  apply_part migration 'app.kubernetes.io/component=migration'
  wait_until "$timeout" "The database is migrated" explain_the_migration the_migration_ended
  the_migration_succeeded || {
    explain_the_migration
    stop "the migration failed"
  }
}

ask_the_job() { k get job payment-migrate --namespace "$namespace" --ignore-not-found --output "jsonpath=$1"; }

the_migration_succeeded() { [ "$(ask_the_job '{.status.conditions[?(@.type=="Complete")].status}')" = True ]; }

the_migration_ended() {
  the_migration_succeeded || [ "$(ask_the_job '{.status.conditions[?(@.type=="Failed")].status}')" = True ]
}

apply_the_rest() {
  apply_part "functions, events and front door" 'app.kubernetes.io/component!=migration'
}

wait_for_each_part() {
  local part name
  while read -r part <&3; do
    name=${part#*/}
    case $part in
      deployment.apps/*)
        wait_until "$timeout" "Deployment $name" explain_the_pods \
          k rollout status "deployment/$name" --namespace "$namespace" --timeout=5s
        ;;
      service.serving.knative.dev/*) wait_for_condition services.serving.knative.dev "$name" "Function $name" ;;
      broker.eventing.knative.dev/*) wait_for_condition brokers.eventing.knative.dev "$name" "Broker $name" ;;
      trigger.eventing.knative.dev/*) wait_for_condition triggers.eventing.knative.dev "$name" "Trigger $name" ;;
      pingsource.sources.knative.dev/*) wait_for_condition pingsources.sources.knative.dev "$name" "PingSource $name" ;;
    esac
  done 3< <(list_what_was_applied)
  compare_the_brokers_address
  compare_the_senders_of_events
}

list_what_was_applied() {
  awk '/^---/ {version = kind = ""} /^apiVersion: / {version = $2} /^kind: / {kind = $2}
    /^metadata:/ {inside = 1; next} /^[^ ]/ {inside = 0}
    inside && /^  name: / {print version, kind, $2}' "$work/all.yaml" | name_as_kubectl_does | tr -d ' '
}

wait_for_condition() {
  explained=$1/$2
  wait_until "$timeout" "$3" explain_the_resource \
    k wait --for=condition=Ready "$1/$2" --namespace "$namespace" --timeout=5s
}

# K_SINK names the Broker's address as its class lays it out; a cluster with another class is told so.
compare_the_brokers_address() {
  local wanted found
  wanted=$(sed -n 's/^  K_SINK: //p' "$work/all.yaml")
  found=$(k get brokers.eventing.knative.dev/payment-events --namespace "$namespace" --ignore-not-found \
    --output 'jsonpath={.status.address.url}' 2>/dev/null) || return 0
  [ -z "$found" ] || [ "$found" = "$wanted" ] || say "Beware: the Broker listens at $found, but K_SINK is $wanted"
}

explain_the_resource() {
  k get "$explained" --namespace "$namespace" --output \
    'jsonpath={range .status.conditions[*]}{.type}={.status} {.reason} {.message}{"\n"}{end}' >&2 || true
  explain_the_pods
}

explain_the_pods() {
  {
    say "--- pods"
    k get pods --namespace "$namespace" --output wide || true
    say "--- events"
    k get events --namespace "$namespace" --sort-by=.lastTimestamp | tail -n 20 || true
    local pod
    for pod in $(k get pods --namespace "$namespace" --output \
      'jsonpath={range .items[?(@.status.phase!="Succeeded")]}{.metadata.name} {.status.containerStatuses[*].ready}{"\n"}{end}' |
      awk '!/true/ || /false/ {print $1}' | head -n 5); do
      say "--- logs of $pod"
      k logs "$pod" --namespace "$namespace" --all-containers --tail=20 || true
    done
  } >&2
}

explain_the_migration() {
  say "--- logs of the migration" >&2
  k logs --namespace "$namespace" --selector app.kubernetes.io/name=payment-migrate --all-containers --tail=30 >&2 || true
  explain_the_pods
}
