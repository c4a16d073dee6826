#!/usr/bin/env bash
# Makes the tree ready to run: npm packages, a Node that is new enough, what is written in C, dist/.
# Does only what is out of date, says nothing when that is nothing, and may run twice at once.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cd "$root"

readonly sources=(network server manager client cli bench/io500)
quiet=false
packages_only=false

usage() {
  cat <<'USAGE'
Usage: ./build.sh [--quiet] [--packages]

  --quiet     no progress, only errors
  --packages  npm packages and Node only; nothing of C, no dist/
USAGE
}

say() { "$quiet" || printf 'build: %s\n' "$*"; }
fail() {
  printf 'build: %s\n' "$*" >&2
  exit 1
}

for argument in "$@"; do
  case $argument in
    --quiet) quiet=true ;;
    --packages) packages_only=true ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
  esac
done

# npm writes its hidden lockfile last, so it also tells that an install was not cut short.
packages_stale() {
  [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]
}

packaged_node=node_modules/node/bin/node

node_stale() { [[ ! -x $packaged_node || ! -x node_modules/.bin/node ]]; }

# What a C file becomes: a program if it has a `main`, else an addon.
product() {
  if grep -q '^int main(' "$1"; then printf '%s\n' "${1%.c}.bin"; else printf '%s\n' "${1%.c}.node"; fi
}

# C files that have a typed face of the same name beside them, and are to be compiled.
stale_c() {
  local source made
  while IFS= read -r source; do
    [[ -e ${source%.c}.ts ]] || continue
    made=$(product "$source")
    if [[ ! -e $made || $source -nt $made ]]; then
      printf '%s\n' "$source"
    fi
  done < <(find "${sources[@]}" -name '*.c')
}

# Directories count too: their time tells that a file was removed or renamed.
dist_stale() {
  [[ ! -e dist/.built ]] && return
  [[ -n $(find "${sources[@]}" tsconfig.json tsconfig.build.json \
    \( -name '*.ts' -o -name '*.json' -o -name '*.node' -o -name '*.bin' -o -type d \) \
    -newer dist/.built -print -quit) ]]
}

anything_stale() {
  packages_stale || node_stale || { ! "$packages_only" && { [[ -n $(stale_c) ]] || dist_stale; }; }
}

# Debian's packages, when we may install them; otherwise one line that says what is missing.
need() {
  local what=$1 package=$2
  if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
    fail "$what is missing: install it first (Debian: apt-get install $package)"
  fi
  say "installing $package"
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq "$package" </dev/null >/dev/null 2>&1 && return
  apt-get update -qq </dev/null >/dev/null 2>&1 || true
  apt-get install -y -qq "$package" </dev/null >/dev/null 2>&1 ||
    fail "$what is missing and apt-get could not install it: apt-get install $package says why"
}

install_packages() {
  local log
  command -v npm >/dev/null || fail 'npm is missing: install Node and npm first (Debian: apt-get install npm)'
  say 'installing npm packages'
  log=$(mktemp)
  # Not `npm ci`: it refuses the lockfile when the registry lacks an optional package of another
  # platform. With --no-save the lockfile decides all the same, and stays as it is.
  if ! npm install --no-save --prefer-offline --no-audit --no-fund --loglevel=error >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    rm -f "$log"
    fail 'npm install failed (above): is the npm registry within reach? It is needed once, then builds work offline'
  fi
  rm -f "$log"
}

# The npm package `node` fetches its binary in an install script, which an npm may be told to skip.
install_node() {
  local log
  if [[ ! -x $packaged_node ]]; then
    say 'installing Node'
    log=$(mktemp)
    (cd node_modules/node && node installArchSpecificPackage.js) >"$log" 2>&1 || true
    if ! [[ -x $packaged_node ]]; then
      tail -n 15 "$log" >&2
      rm -f "$log"
      fail "Node 24 could not be installed (above): is the npm registry within reach?"
    fi
    rm -f "$log"
  fi
  mkdir -p node_modules/.bin
  ln -sfn ../node/bin/node node_modules/.bin/node
  "$packaged_node" --version >/dev/null || fail "$packaged_node does not run on this machine"
}

compile_c() {
  local source=$1 made kind=()
  command -v cc >/dev/null || need 'a C compiler (cc)' gcc
  [[ -e /usr/include/stdio.h ]] || need 'the C library headers' libc6-dev
  say "compiling $source"
  made=$(product "$source")
  # nodelete: a worker of Node that ends unloads what it had loaded, while a thread of that may still run.
  [[ $made == *.bin ]] || kind=(-shared -fPIC '-Wl,-z,nodelete' -I node_modules/node-api-headers/include)
  cc "${kind[@]}" -O2 -Wall -Wextra -Werror -o "$made.new" "$source" || fail "$source does not compile"
  # A rename, because a running process may have the old one mapped.
  mv -f "$made.new" "$made"
}

copy_products() {
  local made
  while IFS= read -r made; do
    [[ -e ${made%.*}.c ]] || continue
    mkdir -p "dist/$(dirname "$made")"
    cmp -s "$made" "dist/$made" || { cp "$made" "dist/$made.new" && mv -f "dist/$made.new" "dist/$made"; }
  done < <(find "${sources[@]}" -name '*.node' -o -name '*.bin')
}

compile_sources() {
  say 'compiling TypeScript'
  mkdir -p dist
  # Taken before the compiler reads anything: what is edited meanwhile is compiled next time.
  touch dist/.building
  PATH=$root/node_modules/.bin:$PATH tsc -p tsconfig.build.json || fail 'TypeScript does not compile (above)'
  copy_products
  mv -f dist/.building dist/.built
}

need_fuse() {
  command -v fusermount3 >/dev/null || command -v fusermount >/dev/null || need 'FUSE (fusermount3)' fuse3
}

build() {
  local source
  packages_stale && install_packages
  node_stale && install_node
  "$packages_only" && return
  need_fuse
  while IFS= read -r source; do compile_c "$source"; done < <(stale_c)
  if dist_stale; then compile_sources; fi
}

if anything_stale; then
  [[ -w . ]] || fail "$root has to be built, and may not be written by this user: run $root/build.sh as its owner"
  exec 9<build.sh
  if ! flock -n 9; then
    say 'waiting for another build'
    flock 9
  fi
  build
fi
