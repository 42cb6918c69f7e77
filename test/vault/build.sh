#!/bin/sh
# Builds the Vault server that the tests run against, once, and prints its path.
# Safe to call at any time and from several processes: it builds only when
# there is no server yet, or when a source file, a module or the Go version changed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${VAULTFERRY_CACHE:-$(cd "$here/../.." && pwd)/.cache}/vault
server=$cache/vault
mkdir -p "$cache"

stamp=$(cd "$here" && { go version; find . -name '*.go' -o -name go.mod -o -name go.sum | LC_ALL=C sort | xargs cat; } | cksum)

fresh() {
	[ -x "$server" ] && [ "$(cat "$cache/stamp" 2>/dev/null)" = "$stamp" ]
}

build() {
	echo "building the Vault server for tests (once, a few minutes)" >&2
	tmp=$(mktemp "$cache/vault.XXXXXX")
	trap 'rm -f "$tmp"' EXIT
	(cd "$here" && GOWORK=off GOFLAGS= CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w' \
		-o "$tmp" .) >&2
	chmod 755 "$tmp"
	mv "$tmp" "$server"
	trap - EXIT
	printf '%s\n' "$stamp" >"$cache/stamp"
}

if ! fresh; then
	exec 9>"$cache/lock"
	if command -v flock >/dev/null; then
		flock 9 # let go when this process ends, however it ends
	fi # without it two builds may run at once, and the last one stays
	fresh || build
fi
echo "$server"
