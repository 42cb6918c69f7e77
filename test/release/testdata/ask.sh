#!/bin/sh
# Runs as root in namespaces of its own, with the gateway's files in $ROOT: has
# the gateway configured unless it is, starts it as its $OWNER, and asks it for a
# secret, by its own command and by curl from outside, and has the jobs of a
# package do their work. $SAID is where the output
# of init is, or goes to; $CA is what clients trust.
set -eu
ip link set lo up

vaultferry() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot --userspec="$OWNER" "$ROOT" /usr/bin/vaultferry "$@"; }

vaultferry version
[ -e "$ROOT/etc/vaultferry/vaultferry.yaml" ] ||
	vaultferry init /etc/vaultferry --state /var/lib/vaultferry --output json >"$SAID"
TOKEN=$(sed -n 's/.*"token": *"\([0-9a-f]*\)".*/\1/p' "$SAID")
conf=/etc/vaultferry/vaultferry.yaml
vaultferry check --connect --config $conf

env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot --userspec="$OWNER" "$ROOT" /usr/bin/vaultferry serve --config $conf &
gateway=$!
curl -sS --fail --retry 600 --retry-connrefused --retry-delay 0 --retry-max-time 60 http://127.0.0.1:8444/readyz
echo
ask() {
	curl -sS --fail-with-body --cacert "$CA" --resolve main.vault.localhost:8443:127.0.0.1 \
		-H "Authorization: Bearer $TOKEN" "$@"
	echo
}
ask -X PUT -H 'Content-Type: application/json' -d '{"value":"a-value-from-outside"}' \
	'https://main.vault.localhost:8443/secrets/greeting?api-version=7.4' >/dev/null
ask 'https://main.vault.localhost:8443/secrets/greeting?api-version=7.4'
echo "by command: $(vaultferry get main greeting --config $conf)"

# What a package's jobs start works with the settings that come with it. Their
# variables mean to the shell what they mean to systemd.
if [ -e "$ROOT/etc/default/vaultferry" ]; then
	chroot "$ROOT" install -d -m 0700 -o "${OWNER%:*}" -g "${OWNER#*:}" /backup/vaults
	vaultferry snapshot init --repo /backup/vaults --config $conf
	for unit in vaultferry-backup.service vaultferry-drill.service; do
		{
			echo 'set -eu'
			sed -n -e 's/^\([A-Z_]*\)=\(.*\)/\1="\2"/p' "$ROOT/etc/default/vaultferry"
			sed -n -e 's/^Environment=\(.*\)/export \1/p' -e 's/^ExecStart=//p' "$ROOT/usr/lib/systemd/system/$unit"
		} | env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot --userspec="$OWNER" "$ROOT" /bin/sh
		echo "$unit did its work"
	done
fi
kill -TERM $gateway
wait $gateway
