#!/bin/sh
# Installs the Debian packages that tests use when they are there, and nothing else does.
#
#   scripts/ci-packages.sh          what a usual run of the tests uses
#   scripts/ci-packages.sh images   also what building and running the images takes
#   scripts/ci-packages.sh release  also what running the executables of other platforms takes
#
# Does nothing when everything is present, so it costs little on a machine that is kept. Tests that
# need a missing program say so and are left out: a failure here is no reason to stop.
set -eu

packages='nginx-light:nginx openssl:openssl curl:curl git:git chromium:chromium'
# Where services are started as they are installed, both web servers would want port 80, and Prometheus and Redis run.
[ -d /run/systemd/system ] || packages="$packages caddy:caddy prometheus:promtool redis-server:redis-server"
if [ "${1:-}" = images ]; then
  packages="$packages buildah:buildah crun:crun debootstrap:debootstrap debian-archive-keyring:keyring"
fi
if [ "${1:-}" = release ]; then
  packages="$packages crun:crun debian-archive-keyring:keyring qemu-user-static:qemu-aarch64-static libc6-arm64-cross:arm64"
fi

has() {
  case $1 in
    arm64) [ -e /usr/aarch64-linux-gnu/lib/libc.so.6 ] ;;
    keyring) [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 ;;
  esac
}

missing=''
for entry in $packages; do
  has "${entry#*:}" || missing="$missing ${entry%%:*}"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "ci-packages: not a Debian machine; left out:$missing" >&2
  exit 0
fi
as_root=''
[ "$(id -u)" -eq 0 ] || as_root='sudo -n'

$as_root apt-get update -qq >/dev/null
# shellcheck disable=SC2086 # a list of package names
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
