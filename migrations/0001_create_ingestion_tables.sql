-- oldest program: 0.1.0
-- The guide's tables, with the guide's columns, meanings and defaults, plus the columns this program adds.

CREATE TABLE IF NOT EXISTS public.symbols (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  ticker text NOT NULL CONSTRAINT symbols_ticker_key UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS public.job_definitions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  job_type text NOT NULL
    CONSTRAINT job_definitions_job_type_check CHECK (job_type IN ('fetch_intraday', 'fetch_historical', 'run_forecast')),
  symbol text NOT NULL,
  timeframe text NOT NULL,
  window_days integer NOT NULL DEFAULT 7,
  priority integer NOT NULL DEFAULT 100,
  enabled boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  symbols_array jsonb,
  batch_number integer,
  total_batches integer,
  batch_version integer NOT NULL DEFAULT 1,
  CONSTRAINT job_definitions_symbol_tf_jobtype_version_key UNIQUE (symbol, timeframe, job_type, batch_version)
);

ALTER TABLE public.job_definitions
  ADD COLUMN IF NOT EXISTS managed_by text,
  ADD COLUMN IF NOT EXISTS dataset text,
  ADD COLUMN IF NOT EXISTS member_ids uuid[],
  ADD COLUMN IF NOT EXISTS revision_id bigint,
  ADD COLUMN IF NOT EXISTS disabled_at timestamptz;

-- A batch is told by batch_version and never by "is this column null"; for owned rows both must agree.
ALTER TABLE public.job_definitions
  ADD CONSTRAINT job_definitions_owned_shape CHECK (
    managed_by IS NULL
    OR (dataset IS NOT NULL AND member_ids IS NOT NULL
        AND (batch_version = 2) = (symbols_array IS NOT NULL AND jsonb_typeof(symbols_array) = 'array')
        AND (NOT enabled OR symbols_array IS NULL OR symbols_array <> '[]'))) NOT VALID;

CREATE INDEX IF NOT EXISTS job_definitions_managed_by ON public.job_definitions (managed_by);

CREATE TABLE IF NOT EXISTS public.job_runs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  job_def_id uuid CONSTRAINT job_runs_job_def_id_fkey REFERENCES public.job_definitions (id) ON DELETE SET NULL,
  symbol text NOT NULL,
  timeframe text NOT NULL,
  job_type text NOT NULL,
  slice_from timestamptz,
  slice_to timestamptz,
  status text NOT NULL DEFAULT 'queued'
    CONSTRAINT job_runs_status_check CHECK (status IN ('queued', 'running', 'success', 'failed', 'cancelled')),
  progress_percent numeric DEFAULT 0,
  rows_written integer DEFAULT 0,
  provider text,
  attempt integer NOT NULL DEFAULT 1,
  error_message text,
  error_code text,
  triggered_by text DEFAULT 'cron',
  started_at timestamptz,
  finished_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

-- A run is ours exactly when lane is not null; every statement of this program and every index here says so.
ALTER TABLE public.job_runs
  ADD COLUMN IF NOT EXISTS lane smallint,
  ADD COLUMN IF NOT EXISTS symbols jsonb,
  ADD COLUMN IF NOT EXISTS symbol_ids uuid[],
  ADD COLUMN IF NOT EXISTS dataset text,
  ADD COLUMN IF NOT EXISTS phase smallint,
  ADD COLUMN IF NOT EXISTS symbol_rows jsonb,
  ADD COLUMN IF NOT EXISTS api_calls integer,
  ADD COLUMN IF NOT EXISTS pages integer,
  ADD COLUMN IF NOT EXISTS cursor_token text,
  ADD COLUMN IF NOT EXISTS run_at timestamptz,
  ADD COLUMN IF NOT EXISTS fence bigint,
  ADD COLUMN IF NOT EXISTS lease_until timestamptz,
  ADD COLUMN IF NOT EXISTS claimed_by uuid,
  ADD COLUMN IF NOT EXISTS crash_count integer,
  ADD COLUMN IF NOT EXISTS cancel_requested boolean;

ALTER TABLE public.job_runs
  ADD CONSTRAINT job_runs_ours_shape CHECK (
    lane IS NULL
    OR (lane BETWEEN 0 AND 2 AND symbols IS NOT NULL AND symbol_ids IS NOT NULL AND dataset IS NOT NULL
        AND phase IN (1, 2) AND slice_from < slice_to AND run_at IS NOT NULL AND fence IS NOT NULL
        AND pages IS NOT NULL AND api_calls IS NOT NULL AND crash_count IS NOT NULL AND symbol_rows IS NOT NULL
        AND cancel_requested IS NOT NULL
        AND (status = 'running') = (lease_until IS NOT NULL)
        AND (status IN ('success', 'failed', 'cancelled')) = (finished_at IS NOT NULL))) NOT VALID;

CREATE INDEX IF NOT EXISTS job_runs_ready ON public.job_runs (lane, run_at, id)
  WHERE status = 'queued' AND lane IS NOT NULL;
CREATE INDEX IF NOT EXISTS job_runs_running ON public.job_runs (id)
  WHERE status = 'running' AND lane IS NOT NULL;
-- The backstop against a slice queued twice; the scheduler subtracts live runs before it ever gets here.
CREATE UNIQUE INDEX IF NOT EXISTS job_runs_one_live ON public.job_runs (job_def_id, slice_from, slice_to)
  WHERE status IN ('queued', 'running') AND lane IS NOT NULL;
CREATE INDEX IF NOT EXISTS job_runs_created ON public.job_runs (created_at DESC);
CREATE INDEX IF NOT EXISTS job_runs_definition ON public.job_runs (job_def_id);

-- Absolute thresholds: a fifth of a table with years of history would be millions of dead rows.
ALTER TABLE public.job_runs SET (
  fillfactor = 85, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000);

CREATE TABLE IF NOT EXISTS public.intraday_bars (
  symbol_id uuid NOT NULL,
  timeframe text NOT NULL,
  ts timestamptz NOT NULL,
  open double precision NOT NULL,
  high double precision NOT NULL,
  low double precision NOT NULL,
  close double precision NOT NULL,
  volume bigint NOT NULL DEFAULT 0,
  trade_count bigint,
  vwap double precision,
  provider text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT intraday_bars_pkey PRIMARY KEY (symbol_id, timeframe, ts, provider)
) PARTITION BY RANGE (ts);

-- All partitions at once: no DDL is ever needed while running. 2009-2040, anything else in the default one.
DO $$
BEGIN
  IF (SELECT relkind FROM pg_class WHERE oid = 'public.intraday_bars'::regclass) = 'p' THEN
    FOR y IN 2009..2040 LOOP
      EXECUTE format(
        'CREATE TABLE IF NOT EXISTS public.intraday_bars_%s PARTITION OF public.intraday_bars FOR VALUES FROM (%L) TO (%L)',
        y, format('%s-01-01 00:00:00+00', y), format('%s-01-01 00:00:00+00', y + 1));
    END LOOP;
    CREATE TABLE IF NOT EXISTS public.intraday_bars_default PARTITION OF public.intraday_bars DEFAULT;
  END IF;
END
$$;
