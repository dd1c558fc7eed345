#!/usr/bin/env bash
# Sees that a deployed service works: knative/test-k8s.sh [URL]. Each line ends in OK or in what was wrong; exit 1 if any was.
# Without a URL, a port is forwarded. KUBE_CONTEXT names the cluster's context (kubectl's own, if not set). Where the service wants
# to know who calls, it calls as payment-operator; or with PAYMENT_TOKEN, where another issuer than the cluster is trusted.
# KUBE_NAMESPACE is a cell's, such as payments-delhi.
set -euo pipefail

namespace=${KUBE_NAMESPACE:-payments}
patience=${PATIENCE:-300} # seconds; scaling to zero takes a window, a grace and the end of the pod
failures=0

k() { kubectl ${KUBE_CONTEXT:+--context "$KUBE_CONTEXT"} --namespace "$namespace" "$@"; }

main() {
  local tool
  for tool in curl kubectl; do
    command -v "$tool" >/dev/null || { echo "test-k8s.sh: $tool is missing" >&2 && exit 1; }
  done
  work=$(mktemp -d)
  trap clean_up EXIT
  url=${1:-}
  [ -n "$url" ] || forward_a_port
  url=${url%/}
  key=k8s-$(date +%s)-$$
  : >"$work/who"
  check "health" health_is_up
  check "access" only_who_is_known_is_served
  check "payment" payment_is_taken
  check "replay" same_key_gives_the_same_payment
  check "refund" refund_is_made
  check "trip" trip_service_has_a_trip_paid
  check "trip event" a_completed_trip_charges_by_itself
  check "metrics" metrics_are_there
  check "event" event_arrived
  check "scale to zero" get_payment_goes_to_sleep
  check "wake-up" get_payment_wakes_up
  [ "$failures" = 0 ] || exit 1
}

clean_up() {
  [ -z "${forwarding:-}" ] || kill "$forwarding" 2>/dev/null || true
  rm -rf "$work"
}

forward_a_port() {
  # Read below perhaps before what is in the background has come to make it.
  : >"$work/forwarded"
  # Not by k: of a function in the background only the shell would be ended, and kubectl stay.
  kubectl ${KUBE_CONTEXT:+--context "$KUBE_CONTEXT"} --namespace "$namespace" port-forward service/payment-service :8082 \
    >"$work/forwarded" 2>&1 &
  forwarding=$!
  local _
  for _ in $(seq 60); do
    url=http://127.0.0.1:$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\).*/\1/p' "$work/forwarded" | head -n 1)
    [ "$url" = http://127.0.0.1: ] || return 0
    sleep 0.5
  done
  cat "$work/forwarded" >&2
  exit 1
}

# A check leaves in $detail what it found, good or bad.
check() {
  detail=''
  if "$2"; then
    printf '%-14s OK%s\n' "$1" "${detail:+ ($detail)}"
  else
    printf '%-14s %s\n' "$1" "${detail:-failed}"
    failures=$((failures + 1))
  fi
}

# ask METHOD PATH [curl options]: leaves the status in $status, the answer in $work/body and $work/headers, the time in $took.
ask() {
  local method=$1 path=$2 seen
  shift 2
  # The token is in a file: a command line can be read by every user of the machine.
  seen=$(curl --noproxy '*' --silent --show-error --max-time 60 --request "$method" --output "$work/body" --dump-header "$work/headers" \
    --header @"$work/who" --write-out '%{http_code} %{time_total}' "$@" "$url$path" 2>"$work/trouble") || seen="000 0"
  status=${seen% *} took=${seen#* }
  detail="$method $path: $status $(head -c 300 "$work/body" 2>/dev/null || true)$(cat "$work/trouble")"
  rm -f "$work/trouble"
}

post() { ask POST "$1" --header 'Content-Type: application/json' --header "Idempotency-Key: $2" --data "$3"; }

# A number or string field of a flat JSON answer; no other tool than sed need be there.
field() { sed -n 's/.*"'"$1"'" *: *"\{0,1\}\([^",}]*\).*/\1/p' "$work/body" | head -n 1; }

health_is_up() {
  ask GET /health
  [ "$status" = 200 ] && [ "$(field status)" = UP ] && detail=''
}

# Without a token first: where that is served, the service is open, and everything below is asked without one.
only_who_is_known_is_served() {
  local path=/payments/1
  post /payments "$key-nobody" '{"trip_id": 101}'
  [ "$status" != 400 ] || { detail="open to everybody: AUTH_ISSUERS is not set" && return 0; }
  [ "$status" = 401 ] && grep -qi '^www-authenticate: Bearer' "$work/headers" || return 1
  get_a_token || return 1
  ask GET "$path"
  [ "$status" = 200 ] || [ "$status" = 404 ] || return 1
  detail="refused without a token, served with one"
}

get_a_token() {
  local token=${PAYMENT_TOKEN:-}
  [ -n "$token" ] || token=$(k create token payment-operator --audience payment-service --duration 1h 2>"$work/trouble") || {
    detail="no token of payment-operator: $(cat "$work/trouble") (PAYMENT_TOKEN gives another issuer's)"
    return 1
  }
  (umask 077 && printf 'Authorization: Bearer %s\n' "$token" >"$work/token" && mv "$work/token" "$work/who")
}

# Where it is other teams that pay, whoever operates need not be let.
the_caller_only_reads() {
  [ "$status" = 403 ] && ! k get deployment trip-service >/dev/null 2>&1 || return 1
  detail="not asked: this caller may only read"
}

payment_is_taken() {
  post /payments "$key" '{"trip_id": 101, "method": "CARD", "amount": 150.00}'
  ! the_caller_only_reads || return 0
  [ "$status" = 201 ] && [ "$(field status)" = SUCCESS ] || return 1
  payment=$(field payment_id)
  detail="payment $payment in $took s"
}

same_key_gives_the_same_payment() {
  post /payments "$key" '{"trip_id": 101, "method": "CARD", "amount": 150.00}'
  ! the_caller_only_reads || return 0
  [ "$status" = 201 ] && [ "$(field payment_id)" = "${payment:-none}" ] &&
    grep -qi '^idempotent-replayed: true' "$work/headers" && detail=''
}

refund_is_made() {
  post "/payments/${payment:-0}/refunds" "$key-refund" '{"amount": 50.00, "metadata": {"reason": "test-k8s.sh"}}'
  ! the_caller_only_reads || return 0
  [ "$status" = 201 ] && [ "$(field refund_amount)" = 50.00 ] && detail=''
}

# The stand-in ends a trip that was in progress, and pays with the token that its pod was given.
trip_service_has_a_trip_paid() {
  complete_a_trip 0 '{"method": "CARD", "via": "http"}' || return 0
  grep -q '^201 .*"SUCCESS"' "$work/paid" && detail="paid as the Trip Service: trip $trip"
}

# The stand-in ends another, and tells the Broker, which has charge-trip charge it before it answers.
a_completed_trip_charges_by_itself() {
  complete_a_trip 1 '{"method": "CARD"}' || return 0
  grep -q '^200 .*"answered": 20[24]' "$work/paid" || return 1
  ask GET "/payments?trip_id=$trip"
  [ "$status" = 200 ] && grep -q '"status" *: *"SUCCESS"' "$work/body" && detail="charged by its event: trip $trip"
}

# complete_a_trip WHICH BODY: leaves what the stand-in said in $work/paid, and which trip it was in $trip.
complete_a_trip() {
  if ! k get deployment trip-service >/dev/null 2>&1; then
    detail="not asked: the Trip Service is another team's"
    return 1
  fi
  trip=$((998000000 + (2 * $(date +%s) + $1) % 1000000))
  k exec deployment/trip-service -- python -c "$(asking_the_stand_in "$2")" >"$work/paid" 2>&1 || true
  detail="trip $trip: $(tail -n 1 "$work/paid" | head -c 300)"
}

asking_the_stand_in() {
  cat <<PYTHON
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener
request = Request("http://127.0.0.1:8081/trips/$trip/complete", b'$1')
try:
    answer = build_opener(ProxyHandler({})).open(request, timeout=60)
except HTTPError as refused:
    answer = refused
print(answer.status, answer.read().decode())
PYTHON
}

metrics_are_there() {
  ask GET /metrics
  [ "$status" = 200 ] && grep -q '"payments_by_status"' "$work/body" || return 1
  ask GET /metrics/prometheus
  [ "$status" = 200 ] && grep -q '^payment_total{' "$work/body" && detail=''
}

# At the stand-in, which shows what it received. Another Notification Service is not ours to ask: then the outbox must be empty.
event_arrived() {
  local began=$SECONDS
  while [ $((SECONDS - began)) -le "$patience" ]; do
    if k get deployment notification-service >/dev/null 2>&1; then
      show_the_notifications >"$work/inbox" 2>&1 || true
      if grep -q "payments/${payment:-none}\\b" "$work/inbox"; then
        detail="at the Notification Service, seen after $((SECONDS - began)) s"
        return 0
      fi
      detail="not at the Notification Service after $patience s: $(tail -c 200 "$work/inbox")"
    else
      ask GET /metrics
      ask GET /metrics/prometheus
      if grep -Eq '^outbox_undelivered_count 0(\.0)?$' "$work/body"; then
        detail="delivered: the outbox is empty"
        return 0
      fi
      detail="the outbox is not empty after $patience s"
    fi
    sleep "${WAIT_STEP:-1}"
  done
  return 1
}

show_the_notifications() {
  k exec deployment/notification-service -- python -c \
    'from urllib.request import ProxyHandler, build_opener; print(build_opener(ProxyHandler({})).open(
      "http://127.0.0.1:8083/v1/notifications", timeout=5).read().decode())'
}

get_payment_goes_to_sleep() {
  local began=$SECONDS
  ask GET '/payments?limit=1'
  while [ $((SECONDS - began)) -le "$patience" ]; do
    if [ -z "$(k get pods --selector serving.knative.dev/service=get-payment --output name)" ]; then
      detail="get-payment, after $((SECONDS - began)) s"
      return 0
    fi
    sleep "${WAIT_STEP:-2}"
  done
  detail="get-payment still has a pod after $patience s: $(k get pods --selector serving.knative.dev/service=get-payment | tail -n 1)"
  return 1
}

get_payment_wakes_up() {
  ask GET '/payments?limit=1'
  [ "$status" = 200 ] || return 1
  local cold=$took
  ask GET '/payments?limit=1'
  [ "$status" = 200 ] && detail="$cold s from zero, $took s warm"
}

main "$@"
