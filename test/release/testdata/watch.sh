#!/bin/sh
# Runs as root in namespaces of its own: starts the gateway in $ROOT as its $OWNER
# with the configuration that is there, and asks its admin port as the kubelet does,
# which checks no certificate, and as Prometheus does, by the $NAME and the token.
set -eu
ip link set lo up
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot --userspec="$OWNER" "$ROOT" /usr/bin/vaultferry serve --config /etc/vaultferry/vaultferry.yaml &
gateway=$!
port=8444
probe() { curl -sS --insecure --output /dev/null --write-out "$1 %{http_code}\n" --retry 600 --retry-connrefused --retry-delay 0 --retry-max-time 60 "https://127.0.0.1:$port/$1"; }
scrape() { curl -sS --cacert "$ROOT/etc/vaultferry/ca.pem" --resolve "$NAME:$port:127.0.0.1" "$@" "https://$NAME:$port$METRICS"; }
probe livez
probe readyz
scrape --output /dev/null --write-out 'metrics without the token %{http_code}\n'
scrape --fail-with-body --oauth2-bearer "$(cat "$ROOT/etc/vaultferry/admin/token")"
kill -TERM $gateway
wait $gateway
