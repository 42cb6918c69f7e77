#!/bin/sh
# Copies a repository to another place with rclone, and looks at the copy there:
#
#   copy.sh /backup/vaults remote:bucket/vaults
#
# Files are written once and never changed, so any tool will do. Snapshots go last:
# what they name has arrived then. "copy" and not "sync": whoever empties the
# repository here empties no copy. A document that was lost and sealed anew is
# another file of the same name, and is copied again.
set -eu
repo=$1
copy=$2

rclone copy "$repo" "$copy" --exclude '/lock' --exclude '/work/**' --exclude '/snapshots/**'
rclone copy "$repo" "$copy" --include '/snapshots/**'

# Read every byte of the copy, where the place has no checksums of its own.
rclone check "$repo" "$copy" --one-way --download --exclude '/lock' --exclude '/work/**'
