# shellcheck shell=bash disable=SC2154,SC2034 # variables of deploy.sh, which includes this
# The database's passwords: made once, never shown, never written to a file or a command line.

secret_has() { [ -n "$(k get secret payment-database --namespace "$namespace" --output "jsonpath={.data.$1}" 2>/dev/null)" ]; }

random_password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

make_the_passwords_unless_there_are_some() {
  if secret_has password && secret_has app-password && secret_has app-username; then
    return
  fi
  # A database that outlived its Secret still has the old owner's password; see give_the_owner_its_password.
  owner_is_new=no
  if ! secret_has password; then
    owner_is_new=yes
    change_the_secret "{\"stringData\":{\"password\":\"$(random_password)\"}}"
  fi
  if ! { secret_has app-password && secret_has app-username; }; then
    change_the_secret "{\"stringData\":{\"app-username\":\"payment_app\",\"app-password\":\"$(random_password)\"}}"
  fi
  say "Made the database's passwords (Secret payment-database)"
}

# What signs the sessions of whoever signs in to the console.
make_the_session_key_where_people_sign_in() {
  it_is_set CONSOLE_CLIENT_ID || return 0
  ! secret_has console-session-key || return 0
  change_the_secret "{\"stringData\":{\"console-session-key\":\"$(random_password)\"}}"
  say "Made the key that signs the console's sessions (console-session-key in Secret payment-database)"
}

# On standard input: a command line can be read by every user of the machine.
change_the_secret() {
  printf '%s' "$1" | k patch secret payment-database --namespace "$namespace" --type merge --patch-file /dev/stdin >/dev/null
}

read_the_secret() {
  k get secret payment-database --namespace "$namespace" --output "jsonpath={.data.$1}" | base64 --decode
}

# A role of its own for each rotation: the pods that still run keep theirs until the last of them is gone.
rotate_the_password() {
  local name password
  name=$(read_the_secret app-username)
  password=$(read_the_secret app-password)
  change_the_secret "{\"stringData\":{\"previous-app-username\":\"$name\",\"previous-app-password\":\"$password\",
    \"app-username\":\"payment_app_$(date -u +%Y%m%d%H%M%S)\",\"app-password\":\"$(random_password)\"}}"
  say "The functions get a new role; when they run with it, take the old one's right to log in away:"
  say "  ALTER ROLE $name NOLOGIN;"
}

name_the_database_role_in_the_manifests() {
  local role
  role=$(read_the_secret app-username)
  sed -i.before "s|payments/database-role: unset|payments/database-role: $role|" "$work/all.yaml"
}

# Inside its pod the database trusts its own user, so a kept volume can be given the password of a new Secret.
give_the_owner_its_password() {
  [ "${owner_is_new:-no}" = yes ] || return 0
  local owner
  owner=$(read_the_secret username)
  printf "ALTER ROLE \"%s\" PASSWORD '%s';\n" "$owner" "$(read_the_secret password)" |
    k exec --stdin --namespace "$namespace" payment-postgres-0 -- psql --quiet --username "$owner" --dbname payments >/dev/null
}
