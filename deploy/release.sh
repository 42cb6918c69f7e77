#!/usr/bin/env bash
# Makes everything that a release consists of from the commit that is checked
# out, and from nothing else of the working tree, into dist or the folder that is
# named: archives of static binaries, packages, an image, what they are made of,
# and checksums. The same commit makes the same bytes, with the same Go and the
# same certificate authorities.
# It needs Go, git, GNU tar and gzip, and the module proxy.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/.cache/tools
out=$(realpath -m "${1:-dist}")
authorities=${CA_FILE:-/etc/ssl/certs/ca-certificates.crt}

# For Windows there are the commands: docs/windows.md says what is left out.
platforms=(linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64)

export GOWORK=off GOFLAGS='-mod=readonly -trimpath' CGO_ENABLED=0 LC_ALL=C TZ=UTC
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out"
mkdir -p "$out"

say() { echo "$*" >&2; }

git clone -q . "$work/source"
cd "$work/source"
revision=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

# binary builds the program of a platform. Go takes its version from git: the
# tag of the commit, else a pseudo-version, as go install would.
binary() {
  say "binary $1"
  mkdir -p "$work/${1/\//_}"
  GOOS=${1%/*} GOARCH=${1#*/} go build -buildvcs=true -ldflags='-s -w' -o "$work/${1/\//_}/" ./cmd/vaultferry
}

# pages are what goes with the program, for every platform the same.
pages() {
  cp -r examples "$work/examples"
  rm "$work/examples/"*.go
  say "manual pages and completion"
  mkdir -p "$work/man" "$work/completion"
  go test ./cmd/vaultferry -run 'TestManPages$' -count=1 -args -man "$work/man" >/dev/null
  for shell in bash zsh fish powershell; do
    go run ./cmd/vaultferry completion "$shell" >"$work/completion/vaultferry.$shell"
  done
}

# pack makes a tar of a folder that shows nothing of this machine.
pack() {
  tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu \
    --mode=u=rwX,go=rX -C "$(dirname "$1")" -cf - "$(basename "$1")" | gzip -9n >"$1.tar.gz"
}

archive() {
  local name=vaultferry_${version#v}_${1/\//_}
  mkdir -p "$work/archives/$name"
  cp -r LICENSE README.md CHANGELOG.md "$work/examples" "$work/man" "$work/completion" "$work/${1/\//_}"/vaultferry* "$work/archives/$name/"
  if [[ $1 == windows/* ]]; then
    go run ./deploy/zip "$work/archives/$name" >"$out/$name.zip"
  else
    pack "$work/archives/$name"
    mv "$work/archives/$name.tar.gz" "$out/"
  fi
}

# inventory lists the modules of a binary, with their licences, as CycloneDX.
inventory() {
  say "inventory $1"
  GOOS=${1%/*} GOARCH=${1#*/} "$tools/cyclonedx-gomod" app -json -licenses -std -noserial -notimestamp \
    -main cmd/vaultferry -output "$out/vaultferry_${version#v}_${1/\//_}.cdx.json" . 2>"$work/log" || { cat "$work/log" >&2; return 1; }
}

# installed is a file of examples as a package has it: it is installed already, for
# a program in /usr/bin.
installed() {
  sed -e '/^# Install it /d' -e 's#/usr/local/bin/#/usr/bin/#' "$1" >"$2/$(basename "$1")"
}

# tree is what a package puts on a machine.
tree() {
  local root=$1 unit
  mkdir -p "$root"/usr/{bin,lib/systemd/system,share/{man/man1,bash-completion/completions,fish/vendor_completions.d,doc/vaultferry}}
  cp "$work/linux_$2/vaultferry" "$root/usr/bin/"
  for unit in examples/*.{service,socket,timer} examples/backup/*.{service,timer}; do
    installed "$unit" "$root/usr/lib/systemd/system"
  done
  for page in "$work"/man/*.1; do
    gzip -9nc "$page" >"$root/usr/share/man/man1/$(basename "$page").gz"
  done
  cp "$work/completion/vaultferry.bash" "$root/usr/share/bash-completion/completions/vaultferry"
  cp "$work/completion/vaultferry.fish" "$root/usr/share/fish/vendor_completions.d/"
  cp LICENSE "$root/usr/share/doc/vaultferry/copyright"
  cp README.md CHANGELOG.md "$root/usr/share/doc/vaultferry/"
  cp -r "$work/examples" "$root/usr/share/doc/vaultferry/"
  find "$root/usr/share/doc" -name 'vaultferry*.*' -delete # the units have their own place
  cp "$out/vaultferry_${version#v}_linux_$2.cdx.json" "$root/usr/share/doc/vaultferry/sbom.cdx.json"
  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

packages() {
  local kind
  tree "$work/$1/tree" "$1"
  # zsh looks in another folder on each system: see nfpm.yaml.
  cp "$work/completion/vaultferry.zsh" "$work/$1/_vaultferry"
  installed examples/vaultferry.default "$work/$1"
  touch -d "@$SOURCE_DATE_EPOCH" "$work/$1/_vaultferry" "$work/$1/vaultferry.default"
  for kind in deb rpm; do
    say "$kind $1"
    STAGE=$work/$1 GOARCH=$1 VERSION=$version "$tools/nfpm" package -f deploy/package/nfpm.yaml -p "$kind" -t "$out/" >"$work/log" || { cat "$work/log" >&2; return 1; }
  done
}

for p in "${platforms[@]}"; do binary "$p"; done
version=$(go version -m "$work/linux_amd64/vaultferry" | awk '$1 == "mod" { print $3 }')
say "release $version of $revision"
pages
for p in "${platforms[@]}"; do archive "$p"; inventory "$p"; done
packages amd64
packages arm64
say "image"
"$tools/image" -out "$out/vaultferry_${version#v}_image.tar" -version "$version" -revision "$revision" -ca "$authorities" \
  amd64="$work/linux_amd64/vaultferry" arm64="$work/linux_arm64/vaultferry"
(cd "$out" && sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS && chmod 644 SHA256SUMS)
