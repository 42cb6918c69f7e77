#!/bin/sh
# Before the files: the user whom some of them belong to. It stays when the
# package goes, because the keyring and the store stay.
set -e
getent group vaultferry >/dev/null || groupadd --system vaultferry
getent passwd vaultferry >/dev/null || useradd --system --gid vaultferry \
	--home-dir /var/lib/vaultferry --no-create-home --shell /usr/sbin/nologin vaultferry
