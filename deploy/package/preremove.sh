#!/bin/sh
# Before the package goes, and not before an upgrade, the gateway stops.
set -e
[ -d /run/systemd/system ] || exit 0
case "$1" in
remove | 0) systemctl disable --now vaultferry.socket vaultferry.service ;; # dpkg's word, rpm's
esac
