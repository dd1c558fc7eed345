#!/bin/sh
# Decides the database's passwords once: what .env says, or 48 random hexadecimal digits. A database remembers the passwords it
# was made with, so a .env that says something else later is refused here, where one line tells why.
set -eu

decide() { # role, what .env says
    file=/passwords/$1
    if [ -s "$file" ]; then
        if [ -n "$2" ] && [ "$2" != "$(cat "$file")" ]; then
            echo "The password of $1 in .env is not the one the database was made with; docs/compose.md says how to change it." >&2
            exit 1
        fi
        return
    fi
    password=$2
    [ -n "$password" ] || password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s' "$password" >"$file.new"
    # Whoever mounts the volume may read it: PostgreSQL and the functions run as different users.
    chmod 0444 "$file.new"
    mv "$file.new" "$file"
}

decide owner "${DB_OWNER_PASSWORD:-}"
decide app "${DB_APP_PASSWORD:-}"

# Not once: whatever runs reads the token, and then its key, anew.
python -m local.event_token /passwords
