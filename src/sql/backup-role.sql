-- The role that backs up: it may log in and read everything, and change nothing.
--
--   sudo -u postgres psql -v database=app_db -f backup-role.sql
--
-- Then give it a password, typed at a prompt so that it stands in no history:
--   sudo -u postgres psql -c '\password oslrs_backup'
--
-- Where tables have row security, it must see every row as well: add  -v row_security=yes
-- Running it again changes nothing that is already so.
\set ON_ERROR_STOP 1
\if :{?database}
\else
  \warn 'Which database? Call it with: psql -v database=app_db -f backup-role.sql'
  \quit
\endif

SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'oslrs_backup') AS is_new \gset
\if :is_new
  CREATE ROLE oslrs_backup LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 20;
\endif
-- Its rights come from pg_read_all_data (PostgreSQL 14 and later): every table, view and sequence, and those of tomorrow.
GRANT pg_read_all_data TO oslrs_backup;
GRANT CONNECT ON DATABASE :"database" TO oslrs_backup;
-- A dump lasts as long as it lasts, whatever limits the application's roles have.
ALTER ROLE oslrs_backup SET statement_timeout = 0;
ALTER ROLE oslrs_backup SET idle_in_transaction_session_timeout = 0;

\if :{?row_security}
  -- Without this, pg_dump refuses a table whose policies would hide rows from it, and so does oslrs-backup.
  ALTER ROLE oslrs_backup BYPASSRLS;
\endif
