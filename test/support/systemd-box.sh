#!/usr/bin/env bash
# Boots a real systemd as PID 1 of a throw-away container, with nothing but util-linux. Needs root. Used by systemd-box.ts,
# which starts both verbs as children and ends them by ending those.
#
#   systemd-box.sh rack FOLDER              holds a tmpfs over FOLDER, in a mount namespace of its own, until its standard
#                                           input is closed; says "ready"
#   systemd-box.sh boot FOLDER NAME LOWER [SOURCE:TARGET...]
#                                           in the rack's mount namespace: boots NAME, whose root is LOWER (one layer, or
#                                           several as overlayfs wants them) with what it writes in FOLDER/NAME/upper. A
#                                           second boot of the same name finds what the first has written. SOURCE is seen,
#                                           read-only, at TARGET. Ends when the box does, and the box when it does.
#
# A box has a network of its own, with a loopback and nothing else. All that it writes vanishes with the rack.
set -euo pipefail

# The unified hierarchy, also where an older one is mounted beside it.
cgroups=/sys/fs/cgroup/unified
[ -f /sys/fs/cgroup/cgroup.procs ] && cgroups=/sys/fs/cgroup

# In the box's namespaces, before its PID 1: everything below is seen by the box alone.
enter() { # FOLDER NAME LOWER [SOURCE:TARGET...]
  local folder=$1/$2 name=$2 lower=$3 root=$1/$2/root device pair source target unit
  shift 3
  mount --make-rprivate /
  mkdir -p "$folder/upper" "$folder/work" "$root"
  mount -t overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" overlay "$root"

  mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
  # The kernel is shared, and PID 1 would change its settings.
  for target in sys sysrq-trigger irq bus; do
    [ -e "$root/proc/$target" ] || continue
    mount --bind "$root/proc/$target" "$root/proc/$target"
    mount -o remount,bind,ro "$root/proc/$target"
  done
  mount -t sysfs -o nosuid,nodev,noexec,ro sysfs "$root/sys"
  mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755,nosuid,noexec tmpfs "$root/dev"
  mkdir -p "$root/dev/pts" "$root/dev/shm"
  for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5,nosuid,noexec devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  ln -s fd/0 "$root/dev/stdin"
  ln -s fd/1 "$root/dev/stdout"
  ln -s fd/2 "$root/dev/stderr"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
  for pair in "$@"; do
    source=${pair%%:*} target=$root${pair#*:}
    if [ -d "$source" ]; then mkdir -p "$target"; else
      mkdir -p "${target%/*}"
      : >>"$target"
    fi
    mount --bind "$source" "$target"
    mount -o remount,bind,ro "$target"
  done

  if [ ! -e "$root/etc/box" ]; then
    # The distribution's own static units, and nothing that this machine has enabled.
    rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/systemd/system/*.requires "$root/var/lib/systemd/timers"
    rm -f "$root"/etc/rc?.d/[SK]*
    : >"$root/etc/fstab"
    for unit in systemd-{networkd,resolved,udevd,timesyncd,firstboot,binfmt,modules-load,sysctl,remount-fs}.service \
      kmod-static-nodes.service console-getty.service getty.target apt-daily.timer apt-daily-upgrade.timer \
      {dev-hugepages,dev-mqueue,sys-kernel-config,sys-kernel-debug,sys-kernel-tracing,sys-fs-fuse-connections}.mount \
      proc-sys-fs-binfmt_misc.automount modprobe@{dm_mod,drm,loop,configfs,fuse,efi_pstore}.service systemd-pstore.service \
      systemd-{logind,update-utmp,update-utmp-runlevel,user-sessions,sysusers,journal-flush,journal-catalog-update}.service; do
      ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    # A box has no hardware, no passphrases to ask for, and no services of the old kind.
    mkdir -p "$root/etc/systemd/system-generators"
    for unit in "$root"/lib/systemd/system-generators/*; do ln -s /dev/null "$root/etc/systemd/system-generators/${unit##*/}"; done
    mkdir -p "$root/etc/systemd/journald.conf.d" "$root/etc/systemd/system.conf.d"
    printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\nForwardToConsole=no\n' >"$root/etc/systemd/journald.conf.d/box.conf"
    printf '[Manager]\nLogTarget=journal\nShowStatus=no\nDefaultTimeoutStopSec=10s\n' >"$root/etc/systemd/system.conf.d/box.conf"
    : >"$root/etc/box"
  fi
  rm -rf "$root/var/log/journal"
  ip link set lo up
  hostname "box-$name"

  cd "$root"
  mkdir -p run/.outside
  pivot_root . run/.outside
  umount -l run/.outside
  # PID 1 does this by itself outside of containers only; without it, credentials of units are unreadable.
  mount --make-rshared /
  exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system </dev/null >/dev/null 2>&1
}

case ${1-} in
  rack)
    # shellcheck disable=SC2016 # for the shell in there
    exec unshare --mount --propagation private sh -euc 'mount -t tmpfs -o mode=755 rack "$1"; echo ready; exec cat' - "$2"
    ;;
  boot)
    # The cgroup first, so that the box's view begins there.
    cgroup=$cgroups/${2##*/}-$3
    mkdir -p "$cgroup"
    echo $$ >"$cgroup/cgroup.procs"
    exec setpriv --pdeathsig KILL unshare --mount --uts --ipc --net --cgroup --pid --fork --kill-child \
      "$(readlink -f -- "${BASH_SOURCE[0]}")" enter "${@:2}"
    ;;
  enter) enter "${@:2}" ;;
  *)
    sed -n '2,13p' "$0"
    exit 64
    ;;
esac
