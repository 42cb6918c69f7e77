#!/bin/sh
# Nothing is started at the first installation: there is no configuration yet.
# An upgrade restarts what runs; where systemd holds the port, nobody is refused.
set -e
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
case "$1:$2" in
configure:?* | [2-9]*) systemctl try-restart vaultferry.service ;; # dpkg's words, rpm's
esac
