# shellcheck shell=bash disable=SC2154,SC2034 # variables of deploy.sh, which includes this
# Who may call the service: what the overlay says, and the cluster that vouches for its service accounts.

usual_issuer=https://kubernetes.default.svc.cluster.local
keys_file=/etc/payment-service/keys/jwks.json

# Before anything is built or applied.
the_overlay_says_who_may_call() {
  if it_is_set CONSOLE_CLIENT_ID && ! { it_is_set CONSOLE_URL && it_is_set AUTH_ISSUERS; }; then
    stop "CONSOLE_CLIENT_ID needs CONSOLE_URL, the address at which people open the console, and AUTH_ISSUERS (docs/access.md)"
  fi
  ! it_is_set AUTH_ISSUERS || return 0
  if grep -q '^    payments/authentication: required$' "$work/rendered.yaml"; then
    stop "without AUTH_ISSUERS anybody may pay and refund, which this overlay does not allow: give AUTH_ISSUERS, AUTH_AUDIENCE" \
      "and AUTH_SUBJECTS in its kustomization.yaml (configMapGenerator, payment-settings; see docs/production.md)"
  fi
  say "Beware: whoever reaches this service may pay and refund, for the overlay sets no AUTH_ISSUERS"
}

it_is_set() { grep "^  $1: " "$work/rendered.yaml" | grep -Eqv ": (\"\"|'')\$"; }

# Asked here and handed to the functions as a file: a pod that starts asks nobody, and none needs a way, or a right, to the API.
the_cluster_vouches_for_its_service_accounts() {
  grep -q "\"$keys_file\"" "$work/all.yaml" || return 0
  local issuer
  if ! { k get --raw /.well-known/openid-configuration >"$work/issuer" && k get --raw /openid/v1/jwks >"$work/keys"; } 2>"$work/why"; then
    cat "$work/why" >&2
    stop "the cluster does not say who issues its service accounts' tokens, whom the overlay trusts ($keys_file)"
  fi
  issuer=$(sed -n 's/.*"issuer" *: *"\([^"]*\)".*/\1/p' "$work/issuer")
  [[ $issuer =~ ^https?://[A-Za-z0-9./:_~%-]+$ ]] || stop "the cluster's issuer of tokens has no usable name: $issuer"
  grep -q '"keys" *: *\[ *{' "$work/keys" || stop "the cluster gives no keys for its service accounts' tokens"
  sed -i.before "s|\"$usual_issuer\"|\"$issuer\"|; s|payments/issuer: unset|payments/issuer: $issuer|" "$work/all.yaml"
  write_the_keys_as_a_manifest >>"$work/all.yaml"
}

write_the_keys_as_a_manifest() {
  cat <<MANIFEST
---
apiVersion: v1
kind: ConfigMap
metadata:
  labels: {app.kubernetes.io/component: configuration, app.kubernetes.io/part-of: payment-service}
  name: payment-issuer-keys
  namespace: $namespace
data:
  ${keys_file##*/}: '$(tr -d '\n' <"$work/keys" | sed "s/'/''/g")'
MANIFEST
}

# Where Eventing wants tokens, a publisher without one is refused; where it does not, it sends none to those who want one.
events_carry_tokens_where_the_cluster_wants_them() {
  local feature
  feature=$(k get configmap config-features --namespace knative-eventing --output 'jsonpath={.data.authentication-oidc}' 2>/dev/null) || return 0
  grep -q '^apiVersion: eventing\.knative\.dev/' "$work/all.yaml" || return 0
  if [[ $feature = [Ee]nabled ]]; then
    it_is_set EVENT_TOKEN_FILE ||
      stop "this cluster's Broker wants tokens (authentication-oidc in config-features): add components/eventing-oidc to the overlay"
  elif it_is_set AUTH_EVENTS; then
    stop "this cluster's Broker sends no tokens (authentication-oidc in config-features is ${feature:-not set}):" \
      "take components/eventing-oidc out of the overlay"
  fi
}

# Eventing makes an account for each that sends, and names it by a rule of its version.
compare_the_senders_of_events() {
  it_is_set AUTH_EVENTS || return 0
  local sender found
  for sender in triggers.eventing.knative.dev/{notify-of-payments,charge-of-trips} pingsources.sources.knative.dev/{sweep,reconcile}-clock; do
    found=$(k get "$sender" --namespace "$namespace" --ignore-not-found --output 'jsonpath={.status.auth.serviceAccountName}' 2>/dev/null) || continue
    [ -z "$found" ] || grep -q "\"system:serviceaccount:$namespace:$found\"" "$work/all.yaml" ||
      say "Beware: ${sender#*/} sends as system:serviceaccount:$namespace:$found, which AUTH_EVENTS does not name"
  done
}
