-- name: read_pairs :many
-- Per group of wanted time: pairs, pairs complete, pairs never answered, and the oldest end of any pair's coverage.
WITH want AS (
  SELECT managed_by, timeframe, dataset, window_days, tstzrange(wanted_from, wanted_to) AS want
  FROM unnest(%(owners)s::text[], %(timeframes)s::text[], %(datasets)s::text[], %(window_days)s::int[],
              %(wanted_from)s::timestamptz[], %(wanted_to)s::timestamptz[])
    AS w(managed_by, timeframe, dataset, window_days, wanted_from, wanted_to)),
pairs AS (
  SELECT DISTINCT d.timeframe, d.dataset, m.symbol_id, w.want
  FROM public.job_definitions d
  JOIN want w USING (managed_by, timeframe, dataset, window_days)
  CROSS JOIN LATERAL unnest(d.member_ids) AS m(symbol_id)
  WHERE d.enabled)
SELECT p.timeframe, p.dataset, count(*) AS pairs,
       count(*) FILTER (WHERE c.covered @> p.want) AS complete,
       count(*) FILTER (WHERE c.covered IS NULL) AS never,
       min(CASE WHEN c.covered @> p.want THEN upper(p.want) ELSE least(upper(c.covered), upper(p.want)) END) AS oldest,
       max(upper(p.want)) AS wanted_to
FROM pairs p
LEFT JOIN reconciler.coverage c ON (c.symbol_id, c.timeframe, c.dataset) = (p.symbol_id, p.timeframe, p.dataset)
GROUP BY p.timeframe, p.dataset ORDER BY p.timeframe, p.dataset;

-- name: read_definition_counts :many
-- Owned definitions by owner, timeframe and phase.
SELECT managed_by, timeframe, batch_version, count(*) FILTER (WHERE enabled), count(*) FILTER (WHERE NOT enabled)
FROM public.job_definitions WHERE managed_by IS NOT NULL
GROUP BY managed_by, timeframe, batch_version ORDER BY managed_by, timeframe, batch_version;

-- name: read_run_counts :many
-- Live runs, and those that ended in the last day, by timeframe, phase and state.
SELECT timeframe, phase, status, count(*), sum(api_calls), sum(rows_written)
FROM public.job_runs
WHERE lane IS NOT NULL
  AND (status IN ('queued', 'running') OR created_at > now() - interval '1 day')
GROUP BY timeframe, phase, status ORDER BY timeframe, phase, status;

-- name: read_request_count :many
-- Requests of the last hour, by phase.
SELECT phase, sum(api_calls) FROM public.job_runs
WHERE lane IS NOT NULL AND created_at > now() - interval '1 day' AND updated_at > now() - interval '1 hour'
GROUP BY phase ORDER BY phase;

-- name: read_issues :many
-- Pairs that are left alone for now, and why.
SELECT s.ticker, i.timeframe, i.dataset, i.code, i.message, i.held_until
FROM reconciler.symbol_issues i JOIN public.symbols s ON s.id = i.symbol_id
WHERE i.held_until > now()
ORDER BY s.ticker, i.timeframe, i.dataset LIMIT 100;

-- name: read_runners :many
-- Runners heard of in the last two minutes.
SELECT id::text, host, pid, version, started_at, last_seen FROM reconciler.runners
WHERE last_seen > now() - interval '2 minutes' ORDER BY started_at, id;

-- name: read_limits :many
-- The request limit of each bucket, and how much of it the last minute used.
SELECT l.bucket, least(l.per_minute, l.seen_limit),
       (SELECT count(*) FROM reconciler.api_slots s
        WHERE s.bucket = l.bucket AND s.free_at > clock_timestamp() + interval '2 seconds')
FROM reconciler.api_limits l ORDER BY l.bucket;
