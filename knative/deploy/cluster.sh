# shellcheck shell=bash disable=SC2154,SC2034 # variables of deploy.sh, which includes this
# The tools, Minikube, Knative: what the service stands on.

the_tools_are_there() {
  local missing=() tool
  local wanted=(kubectl)
  [ -n "$context" ] || wanted+=(minikube)
  [ "$action" = delete ] || [ -n "$image" ] || wanted+=(docker)
  for tool in "${wanted[@]}"; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} = 0 ] || stop "missing: ${missing[*]}. Please install and run again."
  if [[ " ${wanted[*]} " = *' docker '* ]] && ! docker info >/dev/null 2>&1; then
    stop "docker is installed, but its engine does not answer (is it started, and may you use it?)"
  fi
}

reach_the_cluster() {
  if [ -z "$context" ]; then
    start_minikube_unless_it_runs
    install_what_is_missing_of_knative
  fi
  the_cluster_answers
}

k() { kubectl --context "$context" "$@"; }

start_minikube_unless_it_runs() {
  context=$profile
  if minikube status --profile "$profile" >/dev/null 2>&1; then
    say "Minikube runs (profile $profile)"
  elif minikube profile list --output json 2>/dev/null | grep "\"Name\": *\"$profile\"" >/dev/null; then
    say "Starting Minikube as it was made (profile $profile)"
    minikube start --profile "$profile"
  else
    say "Making a Minikube (profile $profile, $cpus CPUs, $memory of memory)"
    minikube start --profile "$profile" --cpus "$cpus" --memory "$memory" --kubernetes-version "v$KUBERNETES"
  fi
}

the_cluster_answers() {
  [ -n "$context" ] || context=$profile
  k version >"$work/version" 2>&1 || {
    cat "$work/version" >&2
    stop "the cluster of context $context does not answer"
  }
}

exists() { k get "$@" >/dev/null 2>&1; }

install_what_is_missing_of_knative() {
  local releases=https://github.com/knative
  if exists crd services.serving.knative.dev && exists -n knative-serving deployment/controller; then
    say "Knative Serving is there"
  else
    say "Installing Knative Serving $KNATIVE_SERVING"
    apply_from "$releases/serving/releases/download/knative-v$KNATIVE_SERVING/serving-crds.yaml"
    apply_from "$releases/serving/releases/download/knative-v$KNATIVE_SERVING/serving-core.yaml"
  fi
  if exists -n kourier-system service/kourier-internal; then
    say "Kourier is there"
  else
    say "Installing Kourier $KOURIER"
    apply_from "https://github.com/knative-extensions/net-kourier/releases/download/knative-v$KOURIER/kourier.yaml"
  fi
  if exists crd brokers.eventing.knative.dev && exists -n knative-eventing deployment/eventing-controller; then
    say "Knative Eventing is there"
  else
    say "Installing Knative Eventing $KNATIVE_EVENTING"
    local part
    for part in eventing-crds eventing-core in-memory-channel mt-channel-broker; do
      apply_from "$releases/eventing/releases/download/knative-v$KNATIVE_EVENTING/$part.yaml"
    done
  fi
  local namespace
  for namespace in knative-serving kourier-system knative-eventing; do
    wait_until "$timeout" "Everything in $namespace is ready" explain_knative \
      k wait --for=condition=Available deployment --all --namespace "$namespace" --timeout=5s
  done
  let_kourier_serve
}

# The second document of a release may need a kind that the first has only just made, or a webhook that is still starting.
apply_from() { wait_until "$timeout" "Applied ${1##*/}" explain_the_last_try k apply --filename "$1"; }

explain_the_last_try() { cat "$work/asked" >&2; }

explain_knative() {
  local namespace
  for namespace in knative-serving kourier-system knative-eventing; do
    k get pods --namespace "$namespace" >&2 || true
    k get events --namespace "$namespace" --sort-by=.lastTimestamp 2>/dev/null | tail -n 10 >&2 || true
  done
}

let_kourier_serve() {
  local class
  class=$(k get configmap config-network --namespace knative-serving --output 'jsonpath={.data.ingress-class}')
  [ "$class" != kourier.ingress.networking.knative.dev ] || return 0
  k patch configmap config-network --namespace knative-serving --type merge \
    --patch '{"data":{"ingress-class":"kourier.ingress.networking.knative.dev"}}'
}

the_functions_can_be_reached_through_kourier() {
  exists --namespace kourier-system service/kourier-internal ||
    stop "the front door sends to kourier-internal in kourier-system, and the cluster has no such service: install Kourier"
  local class
  class=$(k get configmap config-network --namespace knative-serving --output 'jsonpath={.data.ingress-class}' 2>/dev/null) || return 0
  [ "$class" = kourier.ingress.networking.knative.dev ] ||
    say "Beware: Knative's ingress is ${class:-not set}, and the front door sends to Kourier (config-network, ingress-class)"
}

the_cluster_knows_every_kind() {
  local version missing=()
  k api-versions >"$work/versions"
  while read -r version; do
    grep -qx "$version" "$work/versions" || missing+=("$version")
  done < <(sed -n 's/^apiVersion: //p' "$work/all.yaml" | sort -u)
  [ ${#missing[@]} = 0 ] || stop "the cluster does not know ${missing[*]}: $(name_what_brings "${missing[@]}")"
}

# Each piece once, whichever of its kinds are missing.
name_what_brings() {
  local version
  for version in "$@"; do
    case $version in
      serving.knative.dev/*) say "install Knative Serving $KNATIVE_SERVING" ;;
      eventing.knative.dev/* | sources.knative.dev/*) say "install Knative Eventing $KNATIVE_EVENTING" ;;
      postgresql.cnpg.io/*) say "install the CloudNativePG operator" ;;
      monitoring.coreos.com/*) say "install the Prometheus operator, or leave components/monitoring away" ;;
      *) say "install what brings $version" ;;
    esac
  done | awk '!seen[$0]++ {printf "%s%s", separator, $0; separator = "; "}'
}
