-- oldest program: 0.1.0
-- What this program remembers for itself. Schema `reconciler` is made by `migrate` before the first migration.

CREATE TABLE reconciler.identity (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  -- A copy of the database (CREATE DATABASE ... TEMPLATE, a restore) has the same id but another oid.
  database_oid oid NOT NULL
);
INSERT INTO reconciler.identity (database_oid) SELECT oid FROM pg_database WHERE datname = current_database();

CREATE TABLE reconciler.coverage (
  symbol_id uuid NOT NULL,
  timeframe text NOT NULL,
  dataset text NOT NULL,
  covered tstzmultirange NOT NULL,
  PRIMARY KEY (symbol_id, timeframe, dataset)
) WITH (fillfactor = 50);
COMMENT ON TABLE reconciler.coverage IS
  'The time for which the provider has answered completely. No index but the key: every update stays HOT.';

CREATE TABLE reconciler.datasets (
  label text PRIMARY KEY,
  host text,
  feed text NOT NULL,
  adjustment text NOT NULL,
  session text NOT NULL,
  bound_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE reconciler.revisions (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner text NOT NULL,
  config jsonb NOT NULL,
  config_sha256 text NOT NULL,
  git_sha text,
  actor text NOT NULL,
  plan jsonb NOT NULL,
  plan_id text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX revisions_owner ON reconciler.revisions (owner, id DESC);

CREATE TABLE reconciler.symbol_batches (
  owner text NOT NULL,
  symbol text NOT NULL,
  batch_number integer NOT NULL CHECK (batch_number > 0),
  PRIMARY KEY (owner, symbol)
);

CREATE TABLE reconciler.symbol_issues (
  symbol_id uuid NOT NULL,
  timeframe text NOT NULL,
  dataset text NOT NULL,
  code text NOT NULL,
  message text NOT NULL,
  since timestamptz NOT NULL DEFAULT now(),
  held_until timestamptz NOT NULL,
  PRIMARY KEY (symbol_id, timeframe, dataset)
);

CREATE TABLE reconciler.api_limits (
  bucket text PRIMARY KEY,
  per_minute integer NOT NULL CHECK (per_minute > 0),
  seen_limit integer CHECK (seen_limit > 0),
  blocked_until timestamptz NOT NULL DEFAULT '-infinity',
  block_seconds integer NOT NULL DEFAULT 0,
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE reconciler.api_slots (
  bucket text NOT NULL REFERENCES reconciler.api_limits (bucket),
  slot integer NOT NULL,
  free_at timestamptz NOT NULL DEFAULT '-infinity',
  PRIMARY KEY (bucket, slot)
) WITH (fillfactor = 50);
COMMENT ON TABLE reconciler.api_slots IS
  'One row a request a minute: an exact sliding window over all runners. Never deleted; free_at is not indexed, so updates are HOT.';

CREATE TABLE reconciler.runners (
  id uuid PRIMARY KEY,
  host text NOT NULL,
  pid integer NOT NULL,
  version text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  last_seen timestamptz NOT NULL DEFAULT now()
);

-- Nothing here is for the roles that hosted platforms hand out; the owner passes row-level security.
DO $$
DECLARE
  t text;
  r text;
BEGIN
  FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'reconciler' LOOP
    EXECUTE format('ALTER TABLE reconciler.%I ENABLE ROW LEVEL SECURITY', t);
  END LOOP;
  REVOKE ALL ON ALL TABLES IN SCHEMA reconciler FROM PUBLIC;
  REVOKE ALL ON SCHEMA reconciler FROM PUBLIC;
  FOR r IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA reconciler FROM %I', r);
    EXECUTE format('REVOKE ALL ON SCHEMA reconciler FROM %I', r);
  END LOOP;
END
$$;
