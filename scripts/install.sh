#!/bin/sh
# Installs the compozy executable for this machine: picks it, checks its SHA-256 sum, tries it, and only
# then puts it in place.
#
#   sh install.sh --base-url URL [--dir FOLDER] [--target NAME]
#
#   --base-url  where the files of one release are: SHA256SUMS, compozy-linux-x64 and so on.
#               Also COMPOZY_BASE_URL. https://, file://, or http:// on this machine: the sums are worth
#               as much as the way they came.
#   --dir       where to install. Also COMPOZY_INSTALL_DIR. Default: /usr/local/bin for those who may
#               write there, else ~/.local/bin.
#   --target    instead of the one found out, such as linux-arm64-musl.
#
# Exits with 0 when installed, 2 for wrong arguments, 1 for everything else; then nothing is changed.
set -eu

fail() {
  echo "install: $1" >&2
  exit "${2:-1}"
}

has() {
  command -v "$1" >/dev/null 2>&1
}

# The name of the release file for this machine, without the "compozy-" in front.
detect_target() {
  system=$(uname -s)
  machine=$(uname -m)
  case $machine in
    x86_64 | amd64) machine=x64 ;;
    aarch64 | arm64) machine=arm64 ;;
    *) fail "there is no executable for $machine processors; run from source instead" ;;
  esac
  case $system in
    Linux)
      # What this system's own shell is linked with. Both libraries may be installed.
      if ldd /bin/sh 2>/dev/null | grep -q musl; then
        echo "linux-$machine-musl"
      else
        echo "linux-$machine"
      fi
      ;;
    Darwin)
      # A translated shell on an Apple processor says x86_64.
      if [ "$(sysctl -n sysctl.proc_translated 2>/dev/null || echo 0)" = 1 ]; then machine=arm64; fi
      echo "darwin-$machine"
      ;;
    MINGW* | MSYS* | CYGWIN*) echo "windows-x64" ;;
    *) fail "there is no executable for $system; run from source instead" ;;
  esac
}

# download URL FILE
download() {
  if has curl; then
    curl --fail --silent --show-error --location --proto-redir '=https' --output "$2" "$1"
  elif has wget; then
    case $1 in file://*) fail 'wget cannot read file:// URLs; install curl' ;; esac
    wget -q -O "$2" "$1"
  else
    fail 'neither curl nor wget is installed'
  fi || fail "could not download $1"
}

sha256_of() {
  if has sha256sum; then
    sha256sum "$1"
  elif has shasum; then
    shasum -a 256 "$1"
  elif has openssl; then
    openssl dgst -sha256 -r "$1"
  else
    fail 'none of sha256sum, shasum and openssl is installed: the download cannot be checked'
  fi | cut -d ' ' -f 1
}

default_directory() {
  if [ -d /usr/local/bin ] && [ -w /usr/local/bin ]; then
    echo /usr/local/bin
  else
    echo "${HOME:?HOME is not set; name a folder with --dir}/.local/bin"
  fi
}

main() {
  base=${COMPOZY_BASE_URL:-}
  directory=${COMPOZY_INSTALL_DIR:-}
  target=''
  while [ $# -gt 0 ]; do
    case $1 in
      --base-url | --dir | --target)
        if [ $# -lt 2 ] || [ -z "$2" ]; then fail "$1 needs a value" 2; fi
        case $1 in
          --base-url) base=$2 ;;
          --dir) directory=$2 ;;
          --target) target=$2 ;;
        esac
        shift 2
        ;;
      *) fail "unknown argument $1; known: --base-url, --dir, --target" 2 ;;
    esac
  done
  base=${base%/}
  case $base in
    '') fail 'say where the release is: --base-url URL' 2 ;;
    *@*) fail '--base-url must not carry credentials' 2 ;;
    https://* | file:///*) ;;
    http://127.0.0.1/* | http://127.0.0.1:* | http://localhost/* | http://localhost:*) ;;
    *) fail "--base-url must begin with https:// or file:///, got $base" 2 ;;
  esac
  [ -n "$target" ] || target=$(detect_target)
  [ -n "$directory" ] || directory=$(default_directory)
  case $target in
    windows-*) suffix=.exe ;;
    *) suffix='' ;;
  esac
  file=compozy-$target$suffix

  mkdir -p "$directory" || fail "cannot make $directory"
  # Beside its final place, so that putting it there is one step.
  work=$(mktemp -d "$directory/.compozy-install.XXXXXX") || fail "cannot write to $directory"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM

  download "$base/SHA256SUMS" "$work/SHA256SUMS"
  expected=$(awk -v file="$file" '$2 == file || $2 == "*" file { print $1 }' "$work/SHA256SUMS")
  case $expected in
    '') fail "this release has no $file" ;;
    *[!0-9a-f]*) fail "SHA256SUMS says nothing sensible about $file" ;;
  esac
  [ ${#expected} -eq 64 ] || fail "SHA256SUMS says nothing sensible about $file"

  echo "downloading $file"
  download "$base/$file" "$work/compozy$suffix"
  actual=$(sha256_of "$work/compozy$suffix")
  [ "$actual" = "$expected" ] ||
    fail "$file is not the file that SHA256SUMS names: expected $expected, got $actual. Nothing was installed."

  chmod 0755 "$work/compozy$suffix"
  if ! version=$("$work/compozy$suffix" --version 2>"$work/reason"); then
    case $target in
      *-musl) hint=' On Alpine: apk add libstdc++ libgcc' ;;
      *) hint='' ;;
    esac
    fail "$file does not run here: $(head -n 1 "$work/reason").$hint"
  fi
  mv -f "$work/compozy$suffix" "$directory/compozy$suffix"
  echo "installed $version as $directory/compozy$suffix"
  case :$PATH: in
    *":$directory:"*) ;;
    *) echo "$directory is not in PATH; add it, or call $directory/compozy$suffix" ;;
  esac
}

# At the very end, so that half a script does nothing.
main "$@"
