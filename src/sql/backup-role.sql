-- The role that backs up: it may log in and read everything, and change nothing. Where the database has the application's
-- audit trail, it may also add two kinds of rows to that, by a function and in no other way.
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

-- The rest is made in the database itself.
\connect :"database"
SELECT to_regclass('public.audit_logs') IS NOT NULL AS has_audit_trail \gset
\if :has_audit_trail
  -- Adds a row to the audit trail's hash chain as the application does: under its lock, after the newest row, with a hash
  -- over the row and the hash before it. It makes the whole row itself; the caller says only what was done and a few
  -- facts, so the role can neither forge a row of anybody else nor break the chain. It runs as the owner of audit_logs.
  -- Who calls it is asked by session_user, which no SET ROLE changes and which still holds after a restore: a dump without
  -- privileges leaves it executable by everybody.
  CREATE OR REPLACE FUNCTION public.oslrs_backup_audit(action text, details jsonb) RETURNS uuid
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $function$
  #variable_conflict use_column
  DECLARE
    tail_hash text;
    tail_at timestamptz;
    new_at timestamptz;
    new_id uuid;
    new_hash text;
    canonical text;
  BEGIN
    IF session_user <> 'oslrs_backup' THEN
      RAISE EXCEPTION 'this function is for the role oslrs_backup alone' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF $1 IS NULL OR $1 NOT IN ('system.backup', 'system.restore') THEN
      RAISE EXCEPTION 'the action must be system.backup or system.restore' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF $2 IS NULL OR jsonb_typeof($2) <> 'object' OR octet_length($2::text) > 8192 THEN
      RAISE EXCEPTION 'the details must be a small JSON object' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Texts, truth values and whole numbers have one form in JSON, whoever prints it; only those are hashed alike.
    IF EXISTS (SELECT FROM jsonb_each($2) AS fact
               WHERE fact.key !~ '^[a-z][A-Za-z0-9]{0,62}$' OR jsonb_typeof(fact.value) NOT IN ('string', 'boolean', 'number')
                  OR jsonb_typeof(fact.value) = 'number' AND fact.value::text !~ '^(0|-?[1-9][0-9]{0,14})$') THEN
      RAISE EXCEPTION 'the details must be texts, truth values and whole numbers' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Under any other, the newest row would be that of before the lock was had.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE EXCEPTION 'the transaction must be read committed' USING ERRCODE = 'invalid_transaction_state';
    END IF;
    SELECT '{' || coalesce(string_agg(to_json(fact.key)::text || ':' || fact.value::text, ',' ORDER BY fact.key COLLATE "C"), '') || '}'
      INTO canonical FROM jsonb_each($2) AS fact;

    PERFORM pg_advisory_xact_lock(8151642026);
    SELECT hash, created_at INTO tail_hash, tail_at FROM public.audit_logs ORDER BY created_at DESC, id DESC LIMIT 1;
    tail_hash := coalesce(tail_hash, encode(sha256('OSLRS-AUDIT-GENESIS-2026'), 'hex'));
    new_at := greatest(date_trunc('milliseconds', clock_timestamp()),
                       date_trunc('milliseconds', tail_at) + interval '1 millisecond');
    -- A UUID of version 7: 48 bits of milliseconds, the version, and the random bits of one of version 4.
    new_id := (lpad(to_hex(round(extract(epoch FROM new_at) * 1000)::bigint), 12, '0') || '7'
               || substr(replace(gen_random_uuid()::text, '-', ''), 14))::uuid;
    new_hash := encode(sha256(convert_to(concat_ws('|', new_id, $1, 'SYSTEM',
      to_char(new_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), canonical, tail_hash), 'UTF8')), 'hex');
    INSERT INTO public.audit_logs
      (id, actor_id, consumer_id, action, target_resource, target_id, details, ip_address, user_agent, hash, previous_hash, created_at)
    VALUES (new_id, NULL, NULL, $1, 'database', NULL, $2, NULL, 'oslrs-backup', new_hash, tail_hash, new_at);
    RETURN new_id;
  END
  $function$;

  SELECT pg_get_userbyid(relowner) AS audit_owner FROM pg_class WHERE oid = 'public.audit_logs'::regclass \gset
  ALTER FUNCTION public.oslrs_backup_audit(text, jsonb) OWNER TO :"audit_owner";
  REVOKE ALL ON FUNCTION public.oslrs_backup_audit(text, jsonb) FROM PUBLIC;
  GRANT EXECUTE ON FUNCTION public.oslrs_backup_audit(text, jsonb) TO oslrs_backup;
\endif
