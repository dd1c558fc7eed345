# shellcheck shell=bash disable=SC2154,SC2034 # variables of deploy.sh, which includes this
# Where the service can be reached from here.

# The node's port, where this machine can reach it; else a forwarded port for as long as this script runs.
find_the_address() {
  address='' address_hint=''
  local port host
  port=$(k get service payment-service --namespace "$namespace" --output 'jsonpath={.spec.ports[0].nodePort}')
  for host in ${port:+$(list_the_nodes_addresses)}; do
    if answers "http://$host:$port"; then
      address=http://$host:$port
      return
    fi
  done
  forward_a_port
}

list_the_nodes_addresses() {
  if [ "$context" = "$profile" ] && command -v minikube >/dev/null; then
    minikube ip --profile "$profile" 2>/dev/null || true
  fi
  k get nodes --output 'jsonpath={range .items[*].status.addresses[?(@.type=="InternalIP")]}{.address}{"\n"}{end}'
}

# Without curl nobody can tell; the address is then given unseen.
answers() {
  command -v curl >/dev/null || return 0
  curl --noproxy '*' --silent --output /dev/null --max-time "${ANSWER_WAIT:-10}" "$1/"
}

forward_a_port() {
  local forward="kubectl --context $context port-forward --namespace $namespace service/payment-service 8082:8082"
  # Not by k: of a function in the background only the shell would be ended, and kubectl stay.
  kubectl --context "$context" port-forward --namespace "$namespace" service/payment-service :8082 >"$work/forwarded" 2>&1 &
  forwarding=$!
  wait_until 30 "A port to the front door is forwarded" explain_the_forwarding grep -q 'Forwarding from 127' "$work/forwarded"
  address=http://127.0.0.1:$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\).*/\1/p' "$work/forwarded" | head -n 1)
  address_hint="(a forwarded port, until this script ends; the cluster's nodes can't be reached from here. Again: $forward)"
}

explain_the_forwarding() { cat "$work/forwarded" >&2; }

test_what_was_deployed() {
  if ! command -v curl >/dev/null; then
    say "Not tested: test-k8s.sh wants curl"
    return
  fi
  KUBE_CONTEXT=$context KUBE_NAMESPACE=$namespace "$here/test-k8s.sh" "$address" || stop "deployed, but test-k8s.sh is not content"
}
