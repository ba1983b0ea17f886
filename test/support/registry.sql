-- A database like the registry's, with made-up people. Needs: psql -v respondents=200000
-- Everything is derived from the row's number, so two databases made by this file hold the same rows.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE TYPE user_status AS ENUM ('invited', 'active', 'suspended', 'deactivated');
CREATE TABLE roles (id uuid PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE users (
  id uuid PRIMARY KEY,
  email text NOT NULL UNIQUE,
  full_name text NOT NULL,
  status user_status NOT NULL DEFAULT 'active',
  role_id uuid NOT NULL REFERENCES roles,
  created_at timestamptz NOT NULL
);
CREATE TABLE respondents (
  id uuid PRIMARY KEY,
  nin text NOT NULL UNIQUE,
  full_name text NOT NULL,
  lga text NOT NULL,
  phone text,
  skills jsonb NOT NULL,
  notes text,
  photo bytea,
  registered_by uuid NOT NULL REFERENCES users,
  created_at timestamptz NOT NULL
);
CREATE TABLE submissions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  respondent_id uuid NOT NULL REFERENCES respondents,
  form text NOT NULL,
  answers jsonb NOT NULL,
  score numeric(8, 3),
  submitted_at timestamptz NOT NULL
);
CREATE TABLE audit_logs (
  id uuid PRIMARY KEY,
  actor_id uuid,
  consumer_id uuid,
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
CREATE FUNCTION forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit_logs is append-only';
END $$;

CREATE FUNCTION pg_temp.uuid_of(text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5($1)::uuid $$;

INSERT INTO roles SELECT pg_temp.uuid_of('role ' || name), name
FROM unnest(ARRAY['super_admin', 'supervisor', 'enumerator', 'data_entry_clerk', 'verification_assessor', 'government_official', 'public_user']) AS name;

INSERT INTO users
SELECT pg_temp.uuid_of('user ' || n), 'person' || n || '@oyo.example', (ARRAY['Adébáyọ̀ Ọlátúnjí', 'Ṣadé Ògúnlẹ́yẹ', 'Ìyábọ̀ "Bọ́lá" O''Connor'])[1 + n % 3],
  (ARRAY['active', 'active', 'invited', 'suspended', 'deactivated'])[1 + n % 5]::user_status,
  pg_temp.uuid_of('role ' || (ARRAY['super_admin', 'supervisor', 'enumerator', 'public_user'])[1 + n % 4]),
  timestamptz '2025-01-01 00:00:00Z' + n * interval '17 minutes'
FROM generate_series(1, greatest(10, :respondents / 100)) AS n;

INSERT INTO respondents
SELECT pg_temp.uuid_of('respondent ' || n), lpad((n * 7919::bigint % 99999999999)::text, 11, '0'),
  (ARRAY['Ọláyínká Adéṣínà', 'Mọ́jísọ́lá Àjàyí', 'Tùndé Ọ̀ṣúnlékè', 'Fúnmiláyọ̀ Kúti 😀', 'Chinwe Okafor'])[1 + n % 5] || ' ' || n,
  (ARRAY['Ibadan North', 'Ibarapa East', 'Ogbomosho South', 'Ìṣẹ́yìn', 'Saki West'])[1 + n % 5],
  CASE WHEN n % 7 = 0 THEN NULL ELSE '+23480' || lpad((n % 100000000)::text, 8, '0') END,
  jsonb_build_object('trades', jsonb_build_array('tailor', 'welder', md5(n::text)), 'years', n % 40, 'certified', n % 3 = 0),
  CASE n % 11
    WHEN 0 THEN E'tab\there, line\nbreak, back\\slash, \\. and \\N'
    WHEN 1 THEN E'\\.'
    WHEN 2 THEN ''
    WHEN 3 THEN NULL
    WHEN 4 THEN E'emoji 👩🏾‍🌾, quotes '' "" and a carriage\rreturn'
    WHEN 5 THEN E'COPY public.users (id) FROM stdin;\n-- PostgreSQL database dump complete'
    ELSE repeat(md5((n * 3)::text) || ' ', 1 + n % 5)
  END,
  CASE WHEN n % 50 = 0 THEN decode(repeat(md5(n::text), 8), 'hex') END,
  pg_temp.uuid_of('user ' || 1 + n % greatest(10, :respondents / 100)),
  timestamptz '2025-02-01 00:00:00Z' + n * interval '61 seconds'
FROM generate_series(1, :respondents) AS n;

INSERT INTO submissions (respondent_id, form, answers, score, submitted_at)
SELECT pg_temp.uuid_of('respondent ' || 1 + n % :respondents), 'skills-' || n % 4,
  jsonb_build_object('q1', md5('a' || n), 'q2', n % 5, 'q3', CASE WHEN n % 9 = 0 THEN E'line\nbreak "ẹ̀kọ́"' ELSE md5('b' || n) END),
  CASE WHEN n % 13 = 0 THEN NULL WHEN n % 17 = 0 THEN 'NaN' ELSE (n % 100000) / 7.0 END,
  timestamptz '2025-03-01 00:00:00Z' + n * interval '29 seconds'
FROM generate_series(1, :respondents) AS n;

-- The chain as the application writes it: each row's hash covers the one before.
DO $$
DECLARE
  previous text := encode(sha256('OSLRS-AUDIT-GENESIS-2026'), 'hex');
  this_id uuid; this_at timestamptz; this_hash text;
BEGIN
  FOR n IN 1 .. 500 LOOP
    this_id := md5('audit ' || n)::uuid;
    this_at := timestamptz '2025-04-01 00:00:00Z' + n * interval '1 second';
    this_hash := encode(sha256(convert_to(this_id || '|user.login|SYSTEM|' || to_char(this_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '|{"n":' || n || '}|' || previous, 'UTF8')), 'hex');
    INSERT INTO audit_logs VALUES (this_id, NULL, NULL, 'user.login', 'session', NULL, jsonb_build_object('n', n), '10.0.0.1', 'test', this_hash, previous, this_at);
    previous := this_hash;
  END LOOP;
END $$;
CREATE TRIGGER audit_logs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_logs FOR EACH STATEMENT EXECUTE FUNCTION forbid_change();

CREATE INDEX respondents_by_name ON respondents (full_name);
CREATE INDEX respondents_by_skill ON respondents USING gin (skills);
CREATE INDEX submissions_by_respondent ON submissions (respondent_id, submitted_at);
CREATE VIEW active_users AS SELECT id, email FROM users WHERE status = 'active';
ANALYZE;
