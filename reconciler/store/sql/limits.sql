-- name: write_limit :none
-- The bucket's limit is the smallest that any owner's last revision asks for.
INSERT INTO reconciler.api_limits AS l (bucket, per_minute)
SELECT %(bucket)s, min((r.config #>> '{provider,requests_per_minute}')::int)
FROM (SELECT DISTINCT ON (owner) owner, config FROM reconciler.revisions ORDER BY owner, id DESC) r
WHERE r.config #>> '{provider,bucket}' = %(bucket)s
HAVING count(*) > 0
ON CONFLICT (bucket) DO UPDATE
SET per_minute = excluded.per_minute, updated_at = now()
WHERE l.per_minute <> excluded.per_minute;

-- name: write_slots :none
-- One slot row a request a minute. The first ones are free; added ones start busy, since the requests of the last
-- minute were counted without them. Slots above the limit stay and are passed over.
INSERT INTO reconciler.api_slots (bucket, slot, free_at)
SELECT l.bucket, n,
       CASE WHEN EXISTS (SELECT 1 FROM reconciler.api_slots s WHERE s.bucket = l.bucket)
            THEN clock_timestamp() + interval '62 seconds' ELSE '-infinity' END
FROM reconciler.api_limits l CROSS JOIN generate_series(0, l.per_minute - 1) AS n
WHERE l.bucket = %(bucket)s
ON CONFLICT (bucket, slot) DO NOTHING;

-- name: acquire_slot :one
-- Take one free slot for 62 seconds and count the request on its run, in one statement. The grant must be used within
-- 2 seconds, so that no 60-second window ever sees more than the limit. Slots from four fifths of the limit up are for
-- the live lane alone. `held` is false when the run is not ours any more: then nothing is taken.
WITH run AS MATERIALIZED (
  SELECT id FROM public.job_runs
  WHERE id = %(run_id)s AND fence = %(fence)s AND status = 'running' AND lane IS NOT NULL),
bucket AS MATERIALIZED (
  SELECT bucket, blocked_until, least(per_minute, seen_limit) AS per_minute
  FROM reconciler.api_limits WHERE bucket = %(bucket)s),
pick AS MATERIALIZED (
  SELECT s.bucket, s.slot
  FROM reconciler.api_slots s JOIN bucket b ON b.bucket = s.bucket
  WHERE s.slot < CASE WHEN %(live)s THEN b.per_minute ELSE greatest(1, b.per_minute * 4 / 5) END
    AND s.free_at <= clock_timestamp() AND b.blocked_until <= clock_timestamp()
    AND EXISTS (SELECT FROM run)
  ORDER BY s.free_at, s.slot
  LIMIT 1
  FOR UPDATE OF s SKIP LOCKED),
taken AS (
  UPDATE reconciler.api_slots s SET free_at = clock_timestamp() + interval '62 seconds'
  FROM pick WHERE s.bucket = pick.bucket AND s.slot = pick.slot
  RETURNING s.slot),
counted AS (
  UPDATE public.job_runs r SET api_calls = r.api_calls + 1
  FROM run, taken WHERE r.id = run.id)
SELECT EXISTS (SELECT FROM taken) AS granted, EXISTS (SELECT FROM run) AS held;

-- name: read_wait :one
-- Seconds until a slot of this kind can be free again; no row when the bucket is unknown. The clock is read twice,
-- hence the 0; and it must be in the inner list, since an infinite time cannot be subtracted before PostgreSQL 17.
SELECT greatest(0, extract(epoch FROM greatest(
         (SELECT min(s.free_at) FROM reconciler.api_slots s
          WHERE s.bucket = l.bucket
            AND s.slot < CASE WHEN %(live)s THEN least(l.per_minute, l.seen_limit)
                              ELSE greatest(1, least(l.per_minute, l.seen_limit) * 4 / 5) END),
         l.blocked_until, clock_timestamp()) - clock_timestamp()))::float8
FROM reconciler.api_limits l WHERE l.bucket = %(bucket)s;

-- name: block_bucket :one
-- The provider said 429: nobody asks for 2 seconds, doubling to 60 while refusals go on.
UPDATE reconciler.api_limits
SET block_seconds = CASE WHEN blocked_until > clock_timestamp() - interval '60 seconds'
                         THEN least(60, greatest(2, block_seconds * 2)) ELSE 2 END,
    blocked_until = greatest(blocked_until, clock_timestamp() + make_interval(secs =>
      CASE WHEN blocked_until > clock_timestamp() - interval '60 seconds'
           THEN least(60, greatest(2, block_seconds * 2)) ELSE 2 END)),
    updated_at = now()
WHERE bucket = %(bucket)s AND blocked_until <= clock_timestamp()
RETURNING block_seconds;

-- name: note_limit :none
-- The provider's own statement of its limit; it can lower ours, never raise it.
UPDATE reconciler.api_limits SET seen_limit = %(seen)s, updated_at = now()
WHERE bucket = %(bucket)s AND seen_limit IS DISTINCT FROM %(seen)s;
