# shellcheck shell=bash disable=SC2154,SC2034 # variables of deploy.sh, which includes this
# The image: built here and named by its content, or one that is given.

# What the Dockerfile copies, so that the tag changes exactly when the image would.
name_the_content() {
  (
    cd "$root" || exit
    find Dockerfile .dockerignore gunicorn.conf.py requirements/run.txt functions shared sql seed local \
      -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 cat -- | hash_of
    # Names count too: a file that moved is another image.
    find functions shared sql seed local -type f ! -name '*.pyc' | LC_ALL=C sort | hash_of
  ) | hash_of
}

hash_of() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -c 1-12; }

provide_the_image() {
  local given=$image
  if [ -z "$given" ]; then
    image=dev.local/payment-service:$(name_the_content)
    build_the_image_unless_it_is_there
  fi
  if [ -n "$load_command" ]; then
    say "Loading $image"
    # The command is a line of shell, so that it may have options; the image's name is its last argument.
    bash -c "$load_command \"\$1\"" load "$image" || stop "the image could not be loaded: $load_command $image"
  elif [ -z "$given" ]; then
    load_the_image_into_minikube
  fi
}

build_the_image_unless_it_is_there() {
  if docker image inspect "$image" >/dev/null 2>&1; then
    say "The image is built: $image"
  else
    say "Building $image"
    docker build --tag "$image" "$root"
  fi
}

load_the_image_into_minikube() {
  if minikube image ls --profile "$profile" 2>/dev/null | grep -x "$image" >/dev/null; then
    say "Minikube has the image"
  else
    say "Loading the image into Minikube"
    minikube image load "$image" --profile "$profile"
  fi
}

# kubectl carries kustomize, but old ones carry one that knows no components.
render_the_overlay() {
  if ! kubectl kustomize "$overlay" >"$work/rendered.yaml" 2>"$work/why"; then
    if ! { command -v kustomize >/dev/null && kustomize build "$overlay" >"$work/rendered.yaml" 2>"$work/why"; }; then
      cat "$work/why" >&2
      stop "the overlay can't be built: kubectl 1.24 or later is needed, or kustomize 4.5 or later beside it"
    fi
  fi
}

name_the_image_in_the_manifests() {
  sed "s|image: dev.local/payment-service:local\$|image: $image|" "$work/rendered.yaml" >"$work/all.yaml"
}

# kustomize copies no setting of an overlay into what its base has: the clock of reconcile, which goes by UTC there.
set_the_clock_to_the_time_zone() {
  local zone
  zone=$(sed -n 's|^  TIME_ZONE: ||p' "$work/all.yaml")
  [[ $zone =~ ^[A-Za-z0-9_+/-]+$ ]] || return 0
  sed -i.before "s|^  time\([zZ]\)one: UTC\$|  time\1one: $zone|" "$work/all.yaml"
}
