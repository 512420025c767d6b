-- name: read_context :one
-- Who this database is and what this owner applied last.
SELECT i.id::text,
       i.database_oid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AS is_original,
       r.id AS revision_id, r.config
FROM reconciler.identity i
LEFT JOIN LATERAL (
  SELECT id, config FROM reconciler.revisions WHERE owner = %(owner)s ORDER BY id DESC LIMIT 1) r ON true;

-- name: read_definitions :many
-- The owner's rows, and every row of anybody that holds a wanted label or any batch label.
SELECT d.id, d.managed_by, d.symbol, d.timeframe, d.job_type, d.batch_version, d.enabled, d.window_days, d.priority,
       d.dataset, d.batch_number, d.symbols_array
FROM public.job_definitions d
WHERE d.managed_by = %(owner)s
   OR d.symbol = ANY (%(labels)s::text[])
   OR d.symbol LIKE 'BATCH\_%%';

-- name: read_batch_memory :many
-- The batch that each symbol of the owner is in or was in last.
SELECT symbol, batch_number FROM reconciler.symbol_batches WHERE owner = %(owner)s;

-- name: insert_symbols :none
-- Register the tickers that are not known yet.
INSERT INTO public.symbols (ticker)
SELECT t FROM unnest(%(tickers)s::text[]) AS t
ON CONFLICT (ticker) DO NOTHING;

-- name: insert_definitions :many
-- Create owned rows. A key taken meanwhile by anybody is a unique violation, never an overwrite.
INSERT INTO public.job_definitions AS d
  (symbol, timeframe, job_type, batch_version, enabled, window_days, priority, dataset, batch_number, symbols_array,
   member_ids, managed_by, revision_id)
SELECT x.symbol, x.timeframe, x.job_type, x.batch_version, x.enabled, x.window_days, x.priority, x.dataset,
       x.batch_number, x.symbols_array, coalesce(m.ids, '{}'), %(owner)s, %(revision_id)s
FROM jsonb_to_recordset(%(rows)s) AS x(
  symbol text, timeframe text, job_type text, batch_version int, enabled boolean, window_days int, priority int,
  dataset text, batch_number int, symbols_array jsonb)
CROSS JOIN LATERAL (
  SELECT array_agg(s.id ORDER BY s.ticker COLLATE "C") AS ids
  FROM jsonb_array_elements_text(coalesce(x.symbols_array, jsonb_build_array(x.symbol))) AS t(ticker)
  JOIN public.symbols s ON s.ticker = t.ticker) m
RETURNING d.id;

-- name: update_definitions :many
-- Write the spec columns of owned rows, found by key; the row keeps its id.
UPDATE public.job_definitions d
SET enabled = x.enabled, window_days = x.window_days, priority = x.priority, dataset = x.dataset,
    batch_number = x.batch_number, symbols_array = x.symbols_array, member_ids = coalesce(m.ids, '{}'),
    revision_id = %(revision_id)s, updated_at = now(),
    disabled_at = CASE WHEN x.enabled THEN NULL ELSE coalesce(d.disabled_at, now()) END
FROM jsonb_to_recordset(%(rows)s) AS x(
  symbol text, timeframe text, job_type text, batch_version int, enabled boolean, window_days int, priority int,
  dataset text, batch_number int, symbols_array jsonb)
CROSS JOIN LATERAL (
  SELECT array_agg(s.id ORDER BY s.ticker COLLATE "C") AS ids
  FROM jsonb_array_elements_text(coalesce(x.symbols_array, jsonb_build_array(x.symbol))) AS t(ticker)
  JOIN public.symbols s ON s.ticker = t.ticker) m
WHERE (d.symbol, d.timeframe, d.job_type, d.batch_version) = (x.symbol, x.timeframe, x.job_type, x.batch_version)
  AND d.managed_by = %(owner)s
RETURNING d.id;

-- name: write_batch_memory :none
-- Remember where each symbol is now; nothing is ever forgotten, so that a returner finds its place.
INSERT INTO reconciler.symbol_batches AS b (owner, symbol, batch_number)
SELECT %(owner)s, x.symbol, x.batch_number
FROM unnest(%(symbols)s::text[], %(numbers)s::int[]) AS x(symbol, batch_number)
ON CONFLICT (owner, symbol) DO UPDATE SET batch_number = excluded.batch_number
WHERE b.batch_number <> excluded.batch_number;

-- name: read_wanted_groups :many
-- What the enabled owned rows ask for, told apart as far as their wanted time can differ; most urgent first.
SELECT d.managed_by, d.timeframe, d.dataset, d.window_days, max(d.priority) AS priority, count(*) AS definitions
FROM public.job_definitions d
WHERE d.enabled AND d.managed_by IS NOT NULL
GROUP BY d.managed_by, d.timeframe, d.dataset, d.window_days
ORDER BY max(d.priority) DESC, d.managed_by, d.timeframe, d.dataset, d.window_days;
