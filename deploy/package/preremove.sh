#!/bin/sh
# Before the package goes, and not before an upgrade, the gateway and its jobs stop.
set -e
[ -d /run/systemd/system ] || exit 0
case "$1" in
remove | 0) # dpkg's word, rpm's
	systemctl disable --now vaultferry.socket vaultferry.service \
		vaultferry-backup.timer vaultferry-cert.timer vaultferry-drill.timer vaultferry-verify.timer
	;;
esac
