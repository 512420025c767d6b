-- name: plan_like_a_tick :one
-- jit costs more than it saves here, and an unnest of member ids is estimated at ten rows: a nested loop over it
-- reads sixty times the buffers of a hash join.
SELECT set_config('jit', 'off', true), set_config('enable_nestloop', 'off', true);

-- name: count_queued :many
-- How many of our runs wait, by lane.
SELECT lane, count(*) FROM public.job_runs WHERE status = 'queued' AND lane IS NOT NULL GROUP BY lane ORDER BY lane;

-- name: read_gaps :many
-- Wanted minus covered minus what live runs already name, grouped by definition and equal gap; the first
-- `places` definitions of each timeframe, most urgent and longest uncovered first, at most four gaps each.
WITH want AS (
  SELECT managed_by, timeframe, dataset, window_days, tstzrange(wanted_from, wanted_to) AS want
  FROM unnest(%(owners)s::text[], %(timeframes)s::text[], %(datasets)s::text[], %(window_days)s::int[],
              %(wanted_from)s::timestamptz[], %(wanted_to)s::timestamptz[])
    AS w(managed_by, timeframe, dataset, window_days, wanted_from, wanted_to)),
live AS MATERIALIZED (
  SELECT s.symbol_id, r.timeframe, r.dataset, range_agg(tstzrange(r.slice_from, r.slice_to)) AS busy
  FROM public.job_runs r CROSS JOIN LATERAL unnest(r.symbol_ids) AS s(symbol_id)
  WHERE r.lane IS NOT NULL AND r.status IN ('queued', 'running')
  GROUP BY 1, 2, 3),
held AS MATERIALIZED (
  SELECT symbol_id, timeframe, dataset FROM reconciler.symbol_issues WHERE held_until > now()),
pairs AS (
  SELECT d.id, d.timeframe, d.dataset, d.batch_version, d.priority, m.symbol_id, w.want, c.covered, l.busy
  FROM public.job_definitions d
  JOIN want w USING (managed_by, timeframe, dataset, window_days)
  CROSS JOIN LATERAL unnest(d.member_ids) AS m(symbol_id)
  LEFT JOIN reconciler.coverage c
    ON (c.symbol_id, c.timeframe, c.dataset) = (m.symbol_id, d.timeframe, d.dataset)
  LEFT JOIN live l ON (l.symbol_id, l.timeframe, l.dataset) = (m.symbol_id, d.timeframe, d.dataset)
  LEFT JOIN held h ON (h.symbol_id, h.timeframe, h.dataset) = (m.symbol_id, d.timeframe, d.dataset)
  WHERE d.enabled AND h.symbol_id IS NULL
    AND (c.covered IS NULL OR NOT c.covered @> w.want)
    AND (l.busy IS NULL OR NOT coalesce(c.covered + l.busy, l.busy) @> w.want)),
-- A pair that two rows name is fetched once: by the batch, else by the older row.
single AS MATERIALIZED (
  SELECT DISTINCT ON (symbol_id, timeframe, dataset) *
  FROM pairs ORDER BY symbol_id, timeframe, dataset, batch_version DESC, id),
ranked AS (
  SELECT id, row_number() OVER (
           PARTITION BY timeframe ORDER BY priority DESC, min(coalesce(upper(covered), '-infinity')), id) AS place
  FROM single GROUP BY id, timeframe, priority),
gaps AS (
  SELECT s.id, s.timeframe, s.dataset, s.priority, upper(s.want) AS wanted_to, s.symbol_id,
         min(coalesce(upper(s.covered), '-infinity')) OVER (PARTITION BY s.id) AS oldest,
         s.want::tstzmultirange - coalesce(s.covered, '{}') - coalesce(s.busy, '{}') AS gap
  FROM single s
  WHERE s.id IN (SELECT id FROM ranked WHERE place <= %(places)s)),
grouped AS (
  SELECT id, timeframe, dataset, priority, oldest, wanted_to, gap,
         array_agg(symbol_id ORDER BY symbol_id) AS symbol_ids
  FROM gaps WHERE NOT isempty(gap)
  GROUP BY id, timeframe, dataset, priority, oldest, wanted_to, gap)
SELECT g.id, g.timeframe, g.dataset, g.priority, lower(z.r) AS gap_from, upper(z.r) AS gap_to, g.wanted_to, g.symbol_ids
FROM grouped g
CROSS JOIN LATERAL (SELECT r FROM unnest(g.gap) AS r ORDER BY lower(r) DESC LIMIT 4) z
ORDER BY g.priority DESC, g.oldest, g.id, lower(z.r) DESC, g.symbol_ids;

-- name: insert_runs :many
-- Queue slices with their symbols frozen, in the order given; a slice that is live already is left alone.
INSERT INTO public.job_runs
  (job_def_id, symbol, timeframe, job_type, slice_from, slice_to, provider, attempt, triggered_by, lane, symbols,
   symbol_ids, dataset, phase, symbol_rows, api_calls, pages, run_at, fence, crash_count, cancel_requested)
SELECT d.id, d.symbol, d.timeframe, d.job_type, x.slice_from, x.slice_to, d.dataset, 0, 'reconciler', x.lane,
       m.tickers, m.ids, d.dataset, d.batch_version, '{}', 0, 0,
       now() + x.place * interval '1 microsecond', 0, 0, false
FROM jsonb_to_recordset(%(runs)s) AS x(
  job_def_id uuid, slice_from timestamptz, slice_to timestamptz, lane smallint, place int, symbol_ids jsonb)
JOIN public.job_definitions d ON d.id = x.job_def_id AND d.enabled AND d.managed_by IS NOT NULL
CROSS JOIN LATERAL (
  SELECT jsonb_agg(s.ticker ORDER BY s.ticker COLLATE "C") AS tickers,
         array_agg(s.id ORDER BY s.ticker COLLATE "C") AS ids
  FROM jsonb_array_elements_text(x.symbol_ids) AS i(id) JOIN public.symbols s ON s.id = i.id::uuid) m
ORDER BY x.place
ON CONFLICT (job_def_id, slice_from, slice_to) WHERE status IN ('queued', 'running') AND lane IS NOT NULL DO NOTHING
RETURNING id;

-- name: claim_runs :many
-- Take up to `free` runs, live lane first; the other lanes together get at most `free_other`, so that a backfill
-- waiting for the account's budget never holds every worker.
WITH lanes(lane, free) AS (
  VALUES (0::smallint, %(free)s::int), (1::smallint, %(free_other)s::int), (2::smallint, %(free_other)s::int)),
candidates AS MATERIALIZED (
  SELECT c.id, c.lane, c.run_at
  FROM lanes l
  CROSS JOIN LATERAL (
    SELECT r.id, r.lane, r.run_at
    FROM public.job_runs r
    WHERE r.status = 'queued' AND r.lane IS NOT NULL AND r.lane = l.lane AND r.run_at <= now()
      AND r.job_def_id IS NOT NULL AND r.dataset = ANY (%(datasets)s::text[])
    ORDER BY r.run_at, r.id
    LIMIT l.free
    FOR UPDATE SKIP LOCKED) c),
numbered AS (
  SELECT id, lane, run_at, lane > 0 AS other,
         row_number() OVER (PARTITION BY lane > 0 ORDER BY lane, run_at, id) AS place
  FROM candidates),
pick AS MATERIALIZED (
  SELECT id FROM numbered WHERE NOT other OR place <= %(free_other)s
  ORDER BY lane, run_at, id LIMIT %(free)s)
UPDATE public.job_runs r
SET status = 'running', attempt = r.attempt + 1, fence = r.fence + 1, claimed_by = %(runner)s,
    lease_until = clock_timestamp() + %(lease)s, started_at = coalesce(r.started_at, now()), updated_at = now()
WHERE r.id = ANY (ARRAY(SELECT id FROM pick))
RETURNING r.id, r.fence, r.attempt, r.timeframe, r.dataset, r.phase, r.lane, r.slice_from, r.slice_to, r.symbols,
          r.symbol_ids, r.cursor_token, r.pages, r.rows_written, r.symbol_rows,
          (SELECT d.managed_by FROM public.job_definitions d WHERE d.id = r.job_def_id) AS managed_by;

-- name: lock_page :one
-- The fence: the run is still ours and still before this page. Locks the row until the transaction ends, so that
-- neither a rescue nor a cancel can slip in between the check and the write.
SELECT cancel_requested FROM public.job_runs
WHERE id = %(id)s AND fence = %(fence)s AND status = 'running' AND lane IS NOT NULL AND pages = %(page_no)s
FOR UPDATE;

-- name: commit_page :none
-- Cursor, counters and lease of a page, in the transaction that wrote its bars; the last page ends the run.
UPDATE public.job_runs
SET cursor_token = %(cursor_token)s, pages = pages + 1, rows_written = rows_written + %(rows_written)s,
    symbol_rows = %(symbol_rows)s, progress_percent = %(progress_percent)s,
    crash_count = 0, error_code = NULL, error_message = NULL, updated_at = now(),
    lease_until = CASE WHEN %(last)s THEN NULL ELSE clock_timestamp() + %(lease)s END,
    status = CASE WHEN %(last)s THEN 'success' ELSE status END,
    finished_at = CASE WHEN %(last)s THEN now() END
WHERE id = %(id)s AND fence = %(fence)s AND lane IS NOT NULL;

-- name: restart_chain :many
-- The provider refused the cursor: begin the chain again; pages go on counting, bars are upserts.
UPDATE public.job_runs SET cursor_token = NULL, symbol_rows = '{}', updated_at = now()
WHERE id = %(id)s AND fence = %(fence)s AND status = 'running' AND lane IS NOT NULL
RETURNING pages;

-- name: renew_leases :many
-- Extend the leases of the runs in flight; a run that is not returned is lost. Carries the request to cancel.
WITH held AS MATERIALIZED (
  SELECT r.id
  FROM public.job_runs r
  JOIN unnest(%(ids)s::uuid[], %(fences)s::bigint[]) AS x(id, fence) ON r.id = x.id AND r.fence = x.fence
  WHERE r.status = 'running' AND r.lane IS NOT NULL
  ORDER BY r.id FOR UPDATE OF r)
UPDATE public.job_runs r SET lease_until = clock_timestamp() + %(lease)s
FROM held WHERE r.id = held.id AND r.lane IS NOT NULL
RETURNING r.id, r.cancel_requested;

-- name: return_run :many
-- Back to the queue with its cursor: after an error with a later run_at, or at once when a runner stops.
UPDATE public.job_runs
SET status = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'queued' END,
    finished_at = CASE WHEN cancel_requested THEN now() END,
    run_at = clock_timestamp() + %(delay)s, fence = fence + 1, lease_until = NULL, claimed_by = NULL,
    attempt = attempt - CASE WHEN %(burn)s THEN 0 ELSE 1 END,
    error_code = %(code)s, error_message = left(%(message)s, 2000), updated_at = now()
WHERE id = %(id)s AND fence = %(fence)s AND status = 'running' AND lane IS NOT NULL
RETURNING status;

-- name: fail_run :many
-- End a run for good and hold its pairs, so that the same slice is not asked for again before `hold` has passed.
WITH failed AS (
  UPDATE public.job_runs
  SET status = 'failed', finished_at = now(), fence = fence + 1, lease_until = NULL, claimed_by = NULL,
      error_code = %(code)s, error_message = left(%(message)s, 2000), updated_at = now()
  WHERE id = %(id)s AND fence = %(fence)s AND status = 'running' AND lane IS NOT NULL
  RETURNING id, timeframe, dataset, symbol_ids, error_code, error_message),
held AS (
  INSERT INTO reconciler.symbol_issues AS i (symbol_id, timeframe, dataset, code, message, held_until)
  SELECT s.symbol_id, f.timeframe, f.dataset, f.error_code, f.error_message, now() + %(hold)s
  FROM failed f CROSS JOIN LATERAL unnest(f.symbol_ids) AS s(symbol_id)
  ORDER BY s.symbol_id
  ON CONFLICT (symbol_id, timeframe, dataset) DO UPDATE
    SET code = excluded.code, message = excluded.message, held_until = excluded.held_until)
SELECT 'failed' FROM failed;

-- name: rescue_runs :many
-- Take back runs whose lease lapsed. The third crash without a committed page between is poison: failed and held.
WITH dead AS MATERIALIZED (
  SELECT id FROM public.job_runs
  WHERE status = 'running' AND lane IS NOT NULL AND lease_until < clock_timestamp() - interval '2 seconds'
  ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED),
rescued AS (
  UPDATE public.job_runs r
  SET fence = r.fence + 1, claimed_by = NULL, lease_until = NULL, crash_count = r.crash_count + 1,
      status = CASE WHEN r.cancel_requested THEN 'cancelled' WHEN r.crash_count >= 2 THEN 'failed' ELSE 'queued' END,
      error_code = CASE WHEN r.crash_count >= 2 THEN 'POISON' ELSE 'LEASE_EXPIRED' END,
      error_message = 'the runner that held this run stopped without a word',
      finished_at = CASE WHEN r.cancel_requested OR r.crash_count >= 2 THEN now() END,
      run_at = now(), updated_at = now()
  FROM dead WHERE r.id = dead.id
  RETURNING r.id, r.status, r.timeframe, r.dataset, r.symbol_ids, r.error_code, r.error_message),
held AS (
  INSERT INTO reconciler.symbol_issues AS i (symbol_id, timeframe, dataset, code, message, held_until)
  SELECT DISTINCT ON (s.symbol_id, f.timeframe, f.dataset)
         s.symbol_id, f.timeframe, f.dataset, f.error_code, f.error_message, now() + %(hold)s
  FROM rescued f CROSS JOIN LATERAL unnest(f.symbol_ids) AS s(symbol_id)
  WHERE f.status = 'failed'
  ORDER BY s.symbol_id, f.timeframe, f.dataset
  ON CONFLICT (symbol_id, timeframe, dataset) DO UPDATE
    SET code = excluded.code, message = excluded.message, held_until = excluded.held_until)
SELECT id, status FROM rescued;

-- name: cancel_runs :many
-- End the live runs of definitions that are disabled or changed their dataset; the fence refuses their runners' next write.
-- Rows are locked in the order of their ids, as the beat does, or the two could deadlock.
WITH unwanted AS MATERIALIZED (
  SELECT r.id
  FROM public.job_runs r JOIN public.job_definitions d ON r.job_def_id = d.id
  WHERE d.id = ANY (%(definition_ids)s::uuid[]) AND (NOT d.enabled OR d.dataset <> r.dataset)
    AND r.lane IS NOT NULL AND r.status IN ('queued', 'running')
  ORDER BY r.id FOR UPDATE OF r)
UPDATE public.job_runs r
SET status = 'cancelled', finished_at = now(), fence = r.fence + 1, lease_until = NULL, claimed_by = NULL,
    error_code = 'CANCELLED', error_message = 'its definition was disabled or changed', updated_at = now()
FROM unwanted WHERE r.id = unwanted.id AND r.lane IS NOT NULL
RETURNING r.id;

-- name: cancel_orphans :many
-- End waiting runs whose definition somebody deleted: nobody could say by whose settings to fetch them.
UPDATE public.job_runs
SET status = 'cancelled', finished_at = now(), fence = fence + 1, updated_at = now(),
    error_code = 'ORPHAN', error_message = 'its definition was deleted'
WHERE status = 'queued' AND lane IS NOT NULL AND job_def_id IS NULL
RETURNING id;

-- name: read_backlog :one
-- What is left to do: runs ready now, runs at work, and runs that wait for a later time after an error.
SELECT count(*) FILTER (WHERE status = 'queued' AND run_at <= now()) AS ready,
       count(*) FILTER (WHERE status = 'running') AS running,
       count(*) FILTER (WHERE status = 'queued' AND run_at > now()) AS waiting,
       extract(epoch FROM min(run_at) FILTER (WHERE status = 'queued' AND run_at > now()) - now())::float8 AS next_in
FROM public.job_runs
WHERE lane IS NOT NULL AND status IN ('queued', 'running') AND dataset = ANY (%(datasets)s::text[]);

-- name: heartbeat :none
-- This runner is alive.
INSERT INTO reconciler.runners (id, host, pid, version) VALUES (%(id)s, %(host)s, %(pid)s, %(version)s)
ON CONFLICT (id) DO UPDATE SET last_seen = now();

-- name: remove_runner :none
-- This runner ends in order; and forget those silent for a day.
DELETE FROM reconciler.runners WHERE id = %(id)s OR last_seen < now() - interval '1 day';
