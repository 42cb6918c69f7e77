#!/bin/sh
# Runs the server in the foreground: in memory, unsealed, KV v2 at secret/,
# token "root". The first argument, or ADDR, picks the address.
set -eu
server=$("$(dirname "$0")/build.sh")
home=$(dirname "$server")/home # not the caller's: no token of theirs is read
mkdir -p "$home"
exec env -u VAULT_TOKEN -u VAULT_NAMESPACE HOME="$home" "$server" server -dev -dev-root-token-id=root \
	-dev-no-store-token -dev-listen-address="${1:-${ADDR:-127.0.0.1:8200}}" -log-level=warn
