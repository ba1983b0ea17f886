# shellcheck shell=bash
# The part of install.sh that puts the tool on a server, upgrades it and takes it away again. install.sh sources it and
# brings along: end, say, heading, ensure_packages, is_there, ensure_built and what they need.
#
# It is checked together with install.sh: shellcheck -x install.sh. It may be run any number of times. Whatever it changes it prints, with a + before it.

etc=/etc/oslrs-backup
env_file=$etc/oslrs-backup.env
opt=/opt/oslrs-backup
launcher=/usr/local/bin/oslrs-backup
units=/etc/systemd/system
timers=(oslrs-backup.timer oslrs-backup-verify.timer oslrs-backup-watch.timer)

changes=0
changed() {
  changes=$((changes + 1))
  printf '  + %s\n' "$@"
}
note() { printf '  ! %s\n' "$@"; }
fine() { printf '    %s\n' "$@"; }
# Ends a part in which nothing had to be done.
unless_changed_since() { # CHANGES SENTENCE
  ((changes > $1)) || fine "$2"
}

# --- what must be so before anything is changed ------------------------------------------------------------------------

require_root_and_systemd() {
  ((EUID == 0)) || end 78 'Only root can do that: sudo ./install.sh. Nothing was changed.'
  [ -d /run/systemd/system ] || end 78 'systemd does not run here, and the nights are its work. Nothing was changed.'
}

check_machine() {
  heading 'This machine'
  local distribution version
  distribution=$(. /etc/os-release && echo "${ID:-unknown} ${VERSION_ID:-0}")
  version=${distribution#* }
  case ${distribution% *} in
    debian) ((${version%%.*} >= 12)) || distribution='' ;;
    ubuntu) ((${version%%.*} >= 24)) || distribution='' ;;
    *) distribution='' ;;
  esac
  [ -n "$distribution" ] ||
    end 78 'This is for Debian 12 and Ubuntu 24.04, or later ones of them. Nothing was changed.'
  case $(uname -m) in
    x86_64 | aarch64) ;;
    *) end 78 "There is no Node for this kind of machine ($(uname -m)). Nothing was changed." ;;
  esac
  fine "$distribution, $(uname -m), systemd $(systemd_version)"
  if [ "$(timedatectl show --property=NTPSynchronized --value 2>/dev/null)" = yes ]; then
    fine 'The clock is synchronised.'
  else
    note 'The clock is not known to be synchronised, and backups are named by the day: sudo timedatectl set-ntp true'
  fi
}

systemd_version() { systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p'; }

# The newest, which is the one that restores.
check_client() {
  local psql
  psql=$(compgen -G '/usr/lib/postgresql/*/bin/psql' | sort -V | tail -n 1)
  [[ $("$psql" --help=commands) == *'\restrict'* ]] ||
    end 78 "$("$psql" --version) cannot be kept from running commands that a forged dump holds: it does not know \\restrict." \
      'A version of August 2025 or later does: sudo apt-get update && sudo apt-get install --only-upgrade postgresql-client'
  fine "$("$psql" --version). It must be at least of the server's major version; the checks at the end ask the server."
}

# A container's own client would need the docker group, and whoever is in that group is root.
refuse_pg_command() { # FILE
  [ "$role" = drill ] || [ ! -e "$1" ] || [ -z "$(tool env-value BACKUP_PG_COMMAND --env-file "$1")" ] ||
    end 78 "$1 sets BACKUP_PG_COMMAND, which is for development: the right to run docker is the right of root." \
      "On a server the host's own client talks to the published port, 127.0.0.1:5432. Take the line out." \
      'Nothing was changed.'
}

# --- the program -------------------------------------------------------------------------------------------------------

# Where package.json, dist and node_modules lie.
program=$PWD

tool() { "$program/bin/oslrs-backup" "$@"; }

# What somebody has built in a checkout of theirs is taken as it is. Nothing that comes from the network is ever run by root:
# a checkout of root's is built elsewhere, by nobody.
ensure_program() {
  is_built && return
  if [ "$(stat -c %u .)" != 0 ]; then
    ensure_built
    return
  fi
  apart=$(mktemp -d /var/tmp/oslrs-build.XXXXXX)
  install -d -m 0700 "$apart/home"
  cp -R package.json package-lock.json src bin systemd "$apart"
  # How the registry is reached from here.
  if [ -s ~/.npmrc ]; then install -m 0600 ~/.npmrc "$apart/home/.npmrc"; fi
  chown -R nobody: "$apart"
  builder=nobody builder_home=$apart/home program=$apart
  cd "$apart"
  ensure_built
}

# One folder per release, and a link to the one that is in use: whatever runs goes on in the release that it began with.
install_program() {
  heading "The program, in $opt"
  local stage release before so_far=$changes
  release=$(release_name)
  rm -rf "$opt"/releases/.unfinished.*
  if [ ! -d "$opt/releases/$release" ]; then
    install -d -m 0755 "$opt" "$opt/releases"
    stage=$(mktemp -d "$opt/releases/.unfinished.XXXXXX")
    stage_program "$stage"
    chmod 0755 "$stage"
    mv "$stage" "$opt/releases/$release"
    changed "$opt/releases/$release"
  fi
  before=$(readlink "$opt/current" || true)
  if [ "$before" != "releases/$release" ]; then
    ln -sfn "releases/$release" "$opt/.current"
    mv -T "$opt/.current" "$opt/current" # in one step: at every instant there is a program
    changed "$opt/current -> releases/$release${before:+ (before: $before)}"
  fi
  if [ "$(readlink "$launcher" || true)" != "$opt/current/bin/oslrs-backup" ]; then
    ln -sfn "$opt/current/bin/oslrs-backup" "$launcher"
    changed "$launcher -> $opt/current/bin/oslrs-backup"
  fi
  remove_old_releases "$release" "${before#releases/}"
  unless_changed_since "$so_far" "$release is there already."
}

# The version, and what it is made of: another build of the same version is another release.
release_name() {
  local version
  version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$program/package.json")
  echo "$version-$(cat "$program/bin/oslrs-backup" "$program"/dist/*.mjs "$program"/dist/chunks/*.mjs \
    "$program/node_modules/$node_package/bin/node" "$program"/src/sql/*.sql "$program/package.json" \
    "$source/README.md" "$source/CHANGELOG.md" "$source/LICENSE" | sha256sum | cut -c 1-12)"
}

stage_program() { # FOLDER
  install -d "$1/bin" "$1/dist/chunks" "$1/sql" "$1/node_modules/$node_package/bin"
  install -m 0755 "$program/bin/oslrs-backup" "$1/bin"
  install -m 0755 "$program/node_modules/$node_package/bin/node" "$1/node_modules/$node_package/bin"
  install -m 0644 "$program"/dist/*.mjs "$1/dist"
  install -m 0644 "$program"/dist/chunks/*.mjs "$1/dist/chunks"
  install -m 0644 "$program"/src/sql/*.sql "$1/sql"
  install -m 0644 "$source/README.md" "$source/CHANGELOG.md" "$source/LICENSE" "$program/package.json" "$1"
  # For the launcher: whom root's calls are handed to.
  echo oslrs-backup >"$1/service-user"
  chmod 0644 "$1/service-user"
}

# The one before stays, to go back to; and what still runs.
remove_old_releases() { # RELEASE BEFORE
  local place name
  for place in "$opt"/releases/*; do
    name=${place##*/}
    if [ "$name" = "$1" ] || [ "$name" = "$2" ] || is_running "$place"; then continue; fi
    # Not switched just now: then the newest of the others is the one before.
    if [ "$2" = "$1" ] && [ "$place" = "$(newest_other "$1")" ]; then continue; fi
    rm -rf "$place"
    changed "$place removed"
  done
}
newest_other() { find "$opt/releases" -mindepth 1 -maxdepth 1 ! -name "$1" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2; }
is_running() { find /proc -maxdepth 2 -name exe -lname "$1/*" -print -quit 2>/dev/null | grep -q .; }

# --- files, user, keys -------------------------------------------------------------------------------------------------

put_file() { put_text "$2" "$(cat "$1")"; } # SOURCE TARGET
put_text() { # TARGET TEXT
  local what=$1
  if [ -e "$1" ]; then
    if [ "$(cat "$1")" = "$2" ]; then return; fi
    what="$1 (replaced)"
  fi
  install -D -m 0644 /dev/null "$1.new"
  printf '%s\n' "$2" >"$1.new"
  mv "$1.new" "$1"
  changed "$what"
}
remove_file() { # FILE...
  local file
  for file in "$@"; do
    if [ -e "$file" ] || [ -L "$file" ]; then
      rm -f "$file"
      changed "$file removed"
    fi
  done
}

install_user() {
  heading 'The user, and folders'
  local so_far=$changes
  put_file systemd/sysusers.conf /etc/sysusers.d/oslrs-backup.conf
  put_file systemd/tmpfiles.conf /etc/tmpfiles.d/oslrs-backup.conf
  local place
  local -a absent=()
  for place in "$etc" /var/lib/oslrs-backup; do [ -d "$place" ] || absent+=("$place"); done
  if ! getent passwd oslrs-backup >/dev/null; then
    changed 'user and group oslrs-backup, without login; group oslrs-backup-readers'
  fi
  systemd-sysusers /etc/sysusers.d/oslrs-backup.conf 2>/dev/null
  systemd-tmpfiles --create /etc/tmpfiles.d/oslrs-backup.conf
  ((${#absent[@]} == 0)) || changed "${absent[@]}"
  unless_changed_since "$so_far" 'They are there already.'
}

install_signing_key() {
  [ ! -e "$etc/signing.pem" ] || return 0
  (umask 077 && openssl genpkey -algorithm ed25519 -out "$etc/signing.pem")
  openssl pkey -in "$etc/signing.pem" -pubout -out "$etc/signing.pub.pem"
  chown root:oslrs-backup "$etc/signing.pem"
  chmod 0640 "$etc/signing.pem"
  chmod 0644 "$etc/signing.pub.pem"
  changed "$etc/signing.pem, $etc/signing.pub.pem (a new Ed25519 key pair)"
}
public_key() { openssl pkey -in "$etc/signing.pem" -pubout -outform DER | tail -c 32 | base64; }

install_configuration() {
  heading "The configuration, in $etc"
  install_signing_key
  if [ -e "$env_file" ]; then
    fine "$env_file is there, and stays as it is."
    if [ -n "$from_env" ]; then note "Nothing was taken over from $from_env: $env_file is never written over."; fi
    return
  fi
  local -a known=(--set "BACKUP_SIGNING_KEY_FILE=$etc/signing.pem")
  # On a drill host it is the server's key that is trusted.
  if [ "$role" != drill ]; then known+=(--set "BACKUP_TRUSTED_KEYS=$etc/signing.pub.pem"); fi
  (umask 077 && tool env-template "${known[@]}" ${from_env:+--from-env "$from_env"} >"$env_file.new")
  chown root:oslrs-backup "$env_file.new"
  chmod 0640 "$env_file.new"
  mv "$env_file.new" "$env_file"
  changed "$env_file (every name is explained in it)"
}

# --- units -------------------------------------------------------------------------------------------------------------

install_units() {
  heading "Units, in $units"
  local unit so_far=$changes
  for unit in systemd/*.service systemd/*.timer; do put_file "$unit" "$units/${unit##*/}"; done
  if (($(systemd_version) >= 254)); then
    put_file systemd/restart-mode.conf "$units/oslrs-backup.service.d/10-restart-mode.conf"
    put_file systemd/restart-mode.conf "$units/oslrs-backup-alert@.service.d/10-restart-mode.conf"
  fi
  install_folders
  ((changes == so_far)) || systemctl daemon-reload
  unless_changed_since "$so_far" 'They are there already.'
}

# Folders outside of the standard one that the configuration names, for all four services ("oslrs-backup-" is the prefix of
# three of them; systemd.unit(5)).
install_folders() {
  local name place lines='' dropin
  for name in BACKUP_STORE_DIR BACKUP_STATE_DIR; do
    place=$(tool env-value "$name" --env-file "$env_file")
    case $place in
      '' | /var/lib/oslrs-backup) continue ;;
      /home/* | /root/* | /run/user/* | /tmp/* | /var/tmp/*)
        end 78 "$name is $place, and the units see nothing there. Put it elsewhere, below /srv for example." ;;
    esac
    lines+=$'\n'"ReadWritePaths=\"-$place\""
  done
  for dropin in "$units"/{oslrs-backup,oslrs-backup-}.service.d/20-folders.conf; do
    if [ -z "$lines" ]; then
      remove_file "$dropin"
    else
      put_text "$dropin" "# By install.sh, from $env_file."$'\n'"[Service]$lines"
    fi
  done
}

wants() { # TIMER: is it one of this role's?
  case $role-$1 in
    *-oslrs-backup-watch.timer | both-*) true ;;
    server-oslrs-backup.timer | drill-oslrs-backup-verify.timer) true ;;
    *) false ;;
  esac
}

# `ready`: the configuration is complete, so the timers may start at once, not at the next boot.
enable_timers() {
  heading "Timers, for the role $role"
  local timer so_far=$changes
  for timer in "${timers[@]}"; do
    if ! wants "$timer"; then
      if systemctl --quiet is-enabled "$timer" || systemctl --quiet is-active "$timer"; then
        systemctl --quiet disable --now "$timer"
        changed "$timer disabled: it is not of the role $role"
      fi
      continue
    fi
    if ! systemctl --quiet is-enabled "$timer"; then
      systemctl --quiet enable "$timer"
      changed "$timer enabled"
    fi
    if [ -n "$ready" ] && ! systemctl --quiet is-active "$timer"; then
      systemctl start "$timer"
      changed "$timer started"
    fi
  done
  put_text "$opt/role" "$role"
  unless_changed_since "$so_far" 'They are as they should be.'
}

# --- the whole ---------------------------------------------------------------------------------------------------------

role='' from_env='' ready='' source=$PWD apart=''

parse_install() { # ARGUMENTS
  while (($# > 0)); do
    case $1 in
      --role) role=${2-} ;;
      --from-env) from_env=${2-} ;;
      *) end 64 "\"$1\" is no option of an installation." 'See: ./install.sh --help' ;;
    esac
    (($# > 1)) || end 64 "$1 needs a value." 'See: ./install.sh --help'
    shift 2
  done
  if [ -z "$role" ]; then role=$(cat "$opt/role" 2>/dev/null) || role=server; fi
  case $role in
    server | drill | both) ;;
    *) end 64 "--role is server, drill or both, and not \"$role\"." 'See: ./install.sh --help' ;;
  esac
  [ -z "$from_env" ] || [ -f "$from_env" ] || end 64 "--from-env: there is no file $from_env."
}

install_here() { # ARGUMENTS
  parse_install "$@"
  require_root_and_systemd
  check_machine
  local -a needs=(age=age igzip=isal openssl=openssl dbus-daemon=dbus pg:psql=postgresql-client)
  if [ "$role" != server ]; then needs+=(pg:initdb=postgresql); fi
  is_built || needs+=("${needed_to_build[@]}" jq=jq)
  ensure_packages "${needs[@]}"
  check_client
  ensure_program
  refuse_pg_command "$env_file"
  if [ -n "$from_env" ]; then refuse_pg_command "$from_env"; fi
  cd "$source"

  install_program
  install_user
  install_configuration
  install_units
  program=$opt/current
  check_configuration
  enable_timers
  next_steps
}

check_configuration() {
  local status=0
  if is_at_work oslrs-backup.service || is_at_work oslrs-backup-verify.service; then
    heading 'Would it work?'
    fine 'It is at work just now, so nothing is tried: sudo oslrs-backup run --dry-run'
    ready=yes
    return
  fi
  if [ "$role" = drill ]; then
    heading 'What there is: oslrs-backup list'
    "$launcher" list || status=$?
  else
    heading 'Would it work? oslrs-backup run --dry-run'
    "$launcher" run --dry-run || status=$?
  fi
  if ((status == 78)); then ready=''; else ready=yes; fi
}

next_steps() {
  if [ -z "$ready" ]; then
    heading 'Next steps'
    note 'NOTHING IS BACKED UP OR WATCHED YET: the configuration is not complete. Its timers start when it is.'
    steps_of_role
    say ''
    fine 'Then, to check it and to start the timers:  sudo ./install.sh'
  else
    heading 'What is scheduled'
    systemctl list-timers --all --no-pager 'oslrs-backup*' | sed -n '/^NEXT/,/^$/p'
    fine 'What happened:    journalctl -u oslrs-backup' 'What there is:    sudo oslrs-backup list' \
      'Tonight, now:     sudo systemctl start oslrs-backup'
  fi
  ((changes > 0)) || say '' 'Nothing had to be changed.'
}

steps_of_role() {
  if [ "$role" != drill ]; then
    fine '1. The role that reads the database. Its password is typed at the prompt:' \
      "     sudo -u postgres psql -v database=app_db -f $opt/current/sql/backup-role.sql" \
      "     sudo -u postgres psql -c '\\password oslrs_backup'" \
      '   With PostgreSQL in Docker:  docker exec -i CONTAINER psql -U postgres -v database=app_db < …/backup-role.sql' \
      '2. Two age keys, made on your own computer and not here:' \
      '     age-keygen -o drill-key.txt; age-keygen -o escrow-key.txt' \
      '   Their public halves (age1…) go into BACKUP_AGE_RECIPIENTS here; drill-key.txt to the drill host; escrow-key.txt' \
      '   on paper into a safe. Neither stays on this server, or whoever takes it over reads all backups.'
  else
    fine '1. The key that opens backups, from the computer that made it, readable by root and the service:' \
      "     sudo install -m 0640 -g oslrs-backup drill-key.txt $etc/ && shred -u drill-key.txt" \
      "   and BACKUP_AGE_IDENTITY_FILE=$etc/drill-key.txt" \
      "2. BACKUP_TRUSTED_KEYS: the server's public signing key, which its installation has printed."
  fi
  fine "3. $etc/signing.pem stays on this machine. Its public half goes into BACKUP_TRUSTED_KEYS of the other hosts, and onto" \
    '   the escrow sheet:' "     $(public_key)" \
    "4. The rest of the configuration:  sudo -e $env_file"
}

is_at_work() { # SERVICE
  case $(systemctl show --property=SubState --value "$1") in start | start-pre | stop*) true ;; *) false ;; esac
}

uninstall() { # ARGUMENTS
  local purge='' unit place
  case $* in
    '') ;;
    --purge) purge=yes ;;
    *) end 64 "uninstall takes --purge and nothing else: $*" 'See: ./install.sh --help' ;;
  esac
  require_root_and_systemd
  for unit in oslrs-backup.service oslrs-backup-verify.service; do
    ! is_at_work "$unit" ||
      end 69 "$unit is at work. Wait until it is done, or stop it: sudo systemctl stop $unit" 'Nothing was changed.'
  done

  heading 'Timers and units'
  local so_far=$changes
  for unit in "${timers[@]}"; do
    if systemctl --quiet is-enabled "$unit" 2>/dev/null || systemctl --quiet is-active "$unit"; then
      systemctl --quiet disable --now "$unit"
      changed "$unit disabled"
    fi
  done
  # Attempts that wait for their time, and alerts that wait for a mail server.
  systemctl --quiet stop 'oslrs-backup*.service' 2>/dev/null || true
  for unit in systemd/*.service systemd/*.timer; do remove_file "$units/${unit##*/}"; done
  for place in "$units"/{oslrs-backup,oslrs-backup-,oslrs-backup-alert@}.service.d; do
    remove_file "$place/10-restart-mode.conf" "$place/20-folders.conf"
    [ ! -d "$place" ] || rmdir --ignore-fail-on-non-empty "$place"
  done
  systemctl daemon-reload
  systemctl reset-failed 'oslrs-backup*' 2>/dev/null || true
  unless_changed_since "$so_far" 'There are none.'

  heading 'The program'
  so_far=$changes
  remove_file "$launcher" /etc/sysusers.d/oslrs-backup.conf /etc/tmpfiles.d/oslrs-backup.conf
  if [ -d "$opt" ]; then
    rm -rf "$opt"
    changed "$opt removed"
  fi
  unless_changed_since "$so_far" 'There is none.'

  heading 'The configuration, keys, and what was remembered'
  if [ -n "$purge" ]; then purge; else
    for place in "$etc" /var/lib/oslrs-backup; do
      if [ -d "$place" ]; then fine "$place is kept. To remove it, too: sudo ./install.sh uninstall --purge"; fi
    done
  fi
  say '' 'Backups, wherever they are stored, are not touched. Packages that were installed with apt stay.'
}

purge() {
  local place name
  for place in "$etc" /var/lib/oslrs-backup; do
    if [ -d "$place" ]; then
      rm -rf "$place"
      changed "$place removed"
    fi
  done
  for name in "${timers[@]}"; do remove_file "/var/lib/systemd/timers/stamp-$name"; done
  if getent passwd oslrs-backup >/dev/null; then
    userdel oslrs-backup
    changed 'user oslrs-backup removed'
  fi
  for name in oslrs-backup oslrs-backup-readers; do
    if getent group "$name" >/dev/null; then
      groupdel "$name"
      changed "group $name removed"
    fi
  done
}
