#!/usr/bin/env bash
# Proves install.sh and .ci/run where nothing of ours is installed: in a fresh Debian (debootstrap, minbase), with
# namespaces of its own, of which nothing is left afterwards. For people; it takes minutes and needs root, debootstrap
# and the network as this machine has it (its apt sources, proxies, certificates and npm configuration are lent to the box).
#
#   test/support/clean-box.sh                 all of them
#   test/support/clean-box.sh root user test  some of them:
#     root   ./install.sh try as root, twice
#     user   ./install.sh try as a user: without sudo (refused), with sudo, then under sudo, then again without
#     test   .ci/run as root, without a terminal
#
# What is tried is HEAD, with install.sh, .ci/run and this file as they lie here.
# CLEAN_BOX_TREE=1       tries the whole working tree instead, with what is not committed yet
# CLEAN_BOX_BASE=FOLDER  keeps the fresh Debian in FOLDER, and uses it when it is there already
set -euo pipefail

die() {
  echo "clean-box: $*" >&2
  exit 1
}
said() { printf '\n=== clean-box: %s\n' "$*"; }

# --- inside the box, as its first process ------------------------------------------------------------------------------

# Runs a command; says how it ended and how long it took; fails when that is not as expected, or when a process stays.
expecting() { # STATUS COMMAND...
  local expected=$1 status=0 started=$SECONDS folder left=()
  shift
  said "$*"
  "$@" </dev/null || status=$?
  said "exit status $status after $((SECONDS - started)) s"
  [ "$status" = "$expected" ] || die "the exit status should be $expected"
  for folder in /proc/[0-9]*; do
    case ${folder#/proc/} in 1 | "$BASHPID") continue ;; esac
    left+=("${folder#/proc/} $(tr '\0' ' ' <"$folder/cmdline" 2>/dev/null)")
  done
  ((${#left[@]} == 0)) || die "processes were left behind: ${left[*]}"
}

expect_no_cluster() {
  if compgen -G '/etc/postgresql/*/*' >/dev/null; then die 'a PostgreSQL cluster was made'; fi
  [ ! -e /etc/postgresql-common/createcluster.d ] || die 'the file that forbids a cluster was left behind'
}

scenario_root() {
  cd /root/checkout
  expecting 0 ./install.sh try
  expect_no_cluster
  expecting 0 ./install.sh try
}

scenario_user() {
  useradd --create-home --shell /bin/bash tester
  cp /root/.npmrc /home/tester/ 2>/dev/null || true
  mv /root/checkout /home/tester/checkout
  chown -R tester: /home/tester
  cd /home/tester/checkout
  local as_tester=(runuser -u tester -- env HOME=/home/tester)
  expecting 78 "${as_tester[@]}" ./install.sh try

  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends sudo >/dev/null 2>&1
  # Under sudo, too, the network must be reached as from this machine.
  printf '%s\n' 'Defaults env_keep += "NPM_CONFIG_GLOBALCONFIG NODE_EXTRA_CA_CERTS http_proxy https_proxy no_proxy"' \
    'tester ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/tester
  expecting 0 "${as_tester[@]}" ./install.sh try
  expect_no_cluster

  rm -rf node_modules dist
  expecting 0 "${as_tester[@]}" sudo ./install.sh try
  [ -z "$(find . /home/tester ! -user tester -print -quit)" ] || die 'files of root were left in the checkout or the home'
  touch src/cli.ts package-lock.json # stale, so that both must be done again
  expecting 0 "${as_tester[@]}" ./install.sh try
}

scenario_test() {
  cd /root/checkout
  expecting 0 env CI=true bash .ci/run
  expect_no_cluster
}

if [ "${1-}" = --inside ]; then
  "scenario_$2"
  exit
fi

# --- the box, in namespaces of its own ---------------------------------------------------------------------------------

if [ "${1-}" = --enter ]; then
  box=$2
  mount --bind "$box" "$box"
  mount -t proc -o nosuid,nodev,noexec proc "$box/proc"
  mount --rbind /sys "$box/sys"
  mount --rbind /dev "$box/dev"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$box/dev/shm"
  cd "$box"
  mkdir .outside
  pivot_root . .outside
  umount -l .outside
  rmdir .outside
  # What tells programs how to reach the network, and nothing else of this machine's environment.
  lent=()
  for name in NODE_EXTRA_CA_CERTS NPM_CONFIG_GLOBALCONFIG http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    if [ -n "${!name:-}" ]; then lent+=("$name=${!name}"); fi
  done
  exec env -i HOME=/root TERM=dumb PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${lent[@]}" \
    /bin/bash /root/checkout/test/support/clean-box.sh --inside "$3"
fi

# --- outside -----------------------------------------------------------------------------------------------------------

scenarios=("$@")
((${#scenarios[@]} > 0)) || scenarios=(root user test)
for scenario in "${scenarios[@]}"; do
  case $scenario in root | user | test) ;; *) die "\"$scenario\" is none of: root user test" ;; esac
done
((EUID == 0)) || die 'needs root'
command -v debootstrap >/dev/null || die 'needs debootstrap: apt-get install debootstrap'
self=$(readlink -f -- "${BASH_SOURCE[0]}")
cd -- "$(dirname -- "$self")/../.."

work=$(mktemp -d /var/tmp/clean-box.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
base=${CLEAN_BOX_BASE:-$work/base}

lend() { # FILE: at the same place in the box
  if [ -s "$1" ]; then install -D -m 0644 "$1" "$base$1"; fi
}

if [ ! -e "$base.done" ]; then
  sources=/etc/apt/sources.list.d/debian.sources
  mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' "$sources" | head -n 1)
  suite=$(sed -n 's/^Suites: *\([^ ]*\).*/\1/p' "$sources" | head -n 1)
  said "debootstrap $suite"
  rm -rf --one-file-system "$base"
  mkdir -p "$base"
  debootstrap --variant=minbase "$suite" "$base" "$mirror" >"$work/debootstrap.log" || die "$(tail -n 5 "$work/debootstrap.log")"
  rm -f "$base/etc/apt/sources.list"
  lend "$sources"
  apt-config dump Acquire >"$base/etc/apt/apt.conf.d/99lent"
  lend /etc/resolv.conf
  lend /etc/hosts
  for file in /usr/local/share/ca-certificates/*.crt; do lend "$file"; done
  touch "$base.done"
fi

global=$(npm config get globalconfig 2>/dev/null) || global=''
user=$(npm config get userconfig 2>/dev/null) || user=''
for scenario in "${scenarios[@]}"; do
  box=$work/$scenario
  cp -a "$base" "$box"
  if [ -s "$global" ]; then
    install -D -m 0644 "$global" "$box/etc/npmrc"
    export NPM_CONFIG_GLOBALCONFIG=/etc/npmrc
  fi
  if [ -s "$user" ]; then install -m 0644 "$user" "$box/root/.npmrc"; fi
  mkdir -p "$box/root/checkout"
  if [ "${CLEAN_BOX_TREE:-}" = 1 ]; then
    git ls-files -z --cached --others --exclude-standard | tar -c --null --ignore-failed-read -T - | tar -x -C "$box/root/checkout"
  else
    git archive HEAD | tar -x -C "$box/root/checkout"
    cp -p --parents install.sh .ci/run test/support/clean-box.sh "$box/root/checkout"
  fi
  said "scenario $scenario"
  unshare --mount --pid --fork --ipc --uts --propagation private "$self" --enter "$box" "$scenario"
  rm -rf --one-file-system "$box"
done
said 'all is well'
