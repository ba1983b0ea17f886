import { execa } from 'execa'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { bootBox, checkout, layersOf, startRack, whyNoBoxes, type Box, type Rack } from './systemd-box.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Why nothing of this tier can be tried here; empty: all can. */
    readonly whyNoBoxes: string
    readonly rack: Rack
  }
}

/**
 * Once for the tier: the built program, and a box in which it has been installed as README.md says, by a person who has
 * filled in the configuration. The tests' own boxes begin with what that box has written.
 */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const why = await whyNoBoxes()
  project.provide('whyNoBoxes', why ?? '')
  if (why !== undefined) {
    // eslint-disable-next-line no-console -- nobody should have to look for it
    console.error(`\n*** NOTHING IS TESTED ON A BOOTED SYSTEMD: ${why}. Its tests are skipped, and counted. ***\n`)
    return () => Promise.resolve()
  }
  await execa('npm', ['run', '--silent', 'build'], { cwd: join(import.meta.dirname, '../..') })
  const rack = await startRack()
  project.provide('rack', { folder: rack.folder, pid: rack.pid })
  try {
    const box = await bootBox(rack, 'installed')
    await prepare(box).finally(() => box.stop())
  } catch (thrown) {
    await rack.stop()
    throw thrown
  }
  return () => rack.stop()
}

/** A password that stands in no output. */
export const canaryPassword = 'cAnAry/pass+word='

const node = `${checkout}/node_modules/.bin/node`

const prepare = async (box: Box): Promise<void> => {
  await box.do(`
    set -e
    cat > /etc/systemd/system/box-postgres.service <<END
[Service]
Type=notify
User=postgres
ExecStart=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)/postgres -D /var/lib/box-postgres -c listen_addresses=127.0.0.1 -c unix_socket_directories=/run/postgresql -c fsync=off -c log_min_messages=error
RuntimeDirectory=postgresql
RuntimeDirectoryMode=0755
KillSignal=SIGINT
[Install]
WantedBy=multi-user.target
END
    cat > /etc/systemd/system/box-mail.service <<END
[Service]
ExecStart=${node} ${checkout}/test/support/mail-folder.ts /var/lib/box-mail 2525
[Install]
WantedBy=multi-user.target
END
    install -d -o postgres -g postgres -m 0700 /var/lib/box-postgres
    echo unused > /etc/box-postgres-password
    cd /
    runuser -u postgres -- $(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)/initdb -D /var/lib/box-postgres -A scram-sha-256 --auth-local=peer --pwfile=/etc/box-postgres-password -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
    systemctl daemon-reload
    systemctl start box-postgres
    systemctl --quiet enable box-postgres box-mail
    psql() { runuser -u postgres -- psql -X -q -v ON_ERROR_STOP=1 "$@"; }
    psql -c 'CREATE DATABASE registry'
    psql -o /dev/null -v respondents=500 -f ${checkout}/test/support/registry.sql registry
  `)
  // By a person's file of settings. The user is made before, so that the folder of the store can be its own.
  await box.do(`
    set -e
    cd /
    runuser -u postgres -- psql -X -q -v database=registry -f ${checkout}/src/sql/backup-role.sql
    runuser -u postgres -- psql -X -q -c "ALTER ROLE oslrs_backup PASSWORD '${canaryPassword}'"
    systemd-sysusers ${checkout}/systemd/sysusers.conf
    install -d -o oslrs-backup -g oslrs-backup -m 0700 /srv/backups
    for key in drill escrow; do age-keygen -o /root/$key-key.txt 2>/dev/null; done
    cat > /root/app.env <<END
DATABASE_URL=postgres://oslrs_backup:${canaryPassword}@127.0.0.1:5432/registry
BACKUP_STORE_DIR=/srv/backups
BACKUP_AGE_RECIPIENTS=$(age-keygen -y /root/drill-key.txt),$(age-keygen -y /root/escrow-key.txt)
SMTP_URL=smtp://127.0.0.1:2525
EMAIL_FROM=backup@registry.gov.ng
BACKUP_ALERT_EMAILS=admin@registry.gov.ng
END
    cd ${checkout} && ./install.sh --role server --from-env /root/app.env
    ${notNow}`)
}

/**
 * The tests start what they want started. A suite that runs through 01:00, 03:00 on the 2nd or 06:00 UTC would find more
 * mails and backups than its own: the timers keep their hours, in a year to come.
 */
const notNow = `
    for timer in /etc/systemd/system/oslrs-backup*.timer; do
      mkdir -p $timer.d
      sed -n 's/^OnCalendar=\\*/[Timer]\\nOnCalendar=\\nOnCalendar=2099/p' $timer > $timer.d/98-not-now.conf
      grep -q 2099 $timer.d/98-not-now.conf
    done
    systemctl daemon-reload`

/** The hours as they are installed. */
export const now = async (box: Box, timer: string): Promise<void> => {
  await box.do(`rm /etc/systemd/system/${timer}.d/98-not-now.conf; systemctl daemon-reload`)
}

/** A box in which all is installed. `name`: of letters and -, another one for each. */
export const bootInstalled = (rack: Rack, name: string): Promise<Box> =>
  bootBox(rack, name, layersOf(rack, 'installed'))
