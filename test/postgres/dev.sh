#!/usr/bin/env bash
# Runs PostgreSQL in the foreground, on loopback alone: a fresh database
# "vaultferry" with the role "vaultferry", without a password and without TLS.
# All of it is gone when it ends. The first argument, or PGADDR, picks the address.
set -euo pipefail
address=${1:-${PGADDR:-127.0.0.1:5432}}
bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -1) || { echo "PostgreSQL is not installed: run make deps" >&2; exit 1; }
home=$(mktemp -d)
chmod 755 "$home"
as() { # PostgreSQL does not run as root
  if [ "$(id -u)" = 0 ]; then (cd "$home" && exec setpriv --reuid=postgres --regid=postgres --init-groups "$@"); else (cd "$home" && exec "$@"); fi
}
[ "$(id -u)" != 0 ] || chown postgres "$home"
as "$bin/initdb" -D "$home/data" -U vaultferry -A trust -E UTF8 --locale=C >/dev/null
as "$bin/postgres" -D "$home/data" -h "${address%:*}" -p "${address##*:}" -k "$home" &
server=$!
trap 'kill -INT "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$home"' EXIT
until as "$bin/psql" -q -h "$home" -p "${address##*:}" -U vaultferry -d postgres -c 'CREATE DATABASE vaultferry' 2>/dev/null; do
  kill -0 "$server" 2>/dev/null || exit 1
  sleep 0.1
done
cat <<TEXT
A store for it, in a configuration:
  - name: shared
    backend: postgres
    postgres: { hosts: ["$address"], tls: { mode: off } }
Then: vaultferry store upgrade shared
TEXT
wait "$server"
