-- The registry at its planned size. As test/support/registry.sql, but wide rows that compress as a registry's do: many
-- repeated words, some text that is nobody else's, now and then a photograph. rows.sql fills it, indexes.sql ends it.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;

CREATE TYPE user_status AS ENUM ('invited', 'active', 'suspended', 'deactivated');
CREATE TABLE users (
  id uuid NOT NULL,
  email text NOT NULL,
  full_name text NOT NULL,
  status user_status NOT NULL DEFAULT 'active',
  created_at timestamptz NOT NULL
);
CREATE TABLE respondents (
  id uuid NOT NULL,
  nin text NOT NULL,
  full_name text NOT NULL,
  lga text NOT NULL,
  phone text,
  skills jsonb NOT NULL,
  notes text,
  photo bytea,
  registered_by uuid NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE TABLE submissions (
  id bigint NOT NULL,
  respondent_id uuid NOT NULL,
  form text NOT NULL,
  answers jsonb NOT NULL,
  score numeric(8, 3),
  submitted_at timestamptz NOT NULL
);
CREATE TABLE audit_logs (
  id uuid NOT NULL,
  actor_id uuid,
  action text NOT NULL,
  target_resource text,
  target_id uuid,
  details jsonb,
  ip_address text,
  user_agent text,
  hash text NOT NULL,
  previous_hash text NOT NULL,
  created_at timestamptz NOT NULL
);
-- Else each session that fills them waits for the others' pages to be vacuumed.
ALTER TABLE respondents SET (autovacuum_enabled = off);
ALTER TABLE submissions SET (autovacuum_enabled = off);
ALTER TABLE audit_logs SET (autovacuum_enabled = off);

INSERT INTO users
SELECT md5('user ' || n)::uuid, 'person' || n || '@oyo.example', 'Adébáyọ̀ Ọlátúnjí ' || n,
  (ARRAY['active', 'active', 'invited', 'suspended', 'deactivated'])[1 + n % 5]::user_status,
  timestamptz '2025-01-01 00:00:00Z' + n * interval '17 minutes'
FROM generate_series(0, 4999) AS n;
