# shellcheck shell=bash disable=SC2154,SC2034 # variables of deploy.sh, which includes this
# What the scripts say, and how they wait.

say() { printf '%s\n' "$*"; }

stop() {
  printf 'deploy.sh: %s\n' "$*" >&2
  exit 1
}

# Waits until a command succeeds, asking every 2 s, with a line of progress; where it does not in time, tells what is known.
# wait_until SECONDS "what is waited for" explain_function command…
wait_until() {
  local seconds=$1 what=$2 explain=$3 began=$SECONDS
  shift 3
  while ! "$@" >"$work/asked" 2>&1; do
    if [ $((SECONDS - began)) -ge "$seconds" ]; then
      printf '\r%-70s\n' "$what: not after $seconds s" >&2
      "$explain"
      stop "gave up waiting for: $what"
    fi
    [ ! -t 1 ] || printf '\r%-60s %4d s' "$what" $((SECONDS - began))
    sleep "${WAIT_STEP:-2}"
  done
  [ ! -t 1 ] || printf '\r'
  printf '%-60s %4d s\n' "$what" $((SECONDS - began))
}

clean_up() {
  [ -z "${forwarding:-}" ] || kill "$forwarding" 2>/dev/null || true
  rm -rf "$work"
}
