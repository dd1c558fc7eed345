#!/bin/sh
# Runs a command with the passwords of the volume as the settings that the code reads.
set -eu
DB_PASS=$(cat "$DB_PASSWORD_FILE")
export DB_PASS
if [ -n "${DB_APP_PASSWORD_FILE:-}" ]; then
    DB_APP_PASS=$(cat "$DB_APP_PASSWORD_FILE")
    export DB_APP_PASS
fi
exec "$@"
