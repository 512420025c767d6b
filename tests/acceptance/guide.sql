-- name: newest_batch_definitions
SELECT 
  symbol,
  timeframe,
  batch_version,
  jsonb_array_length(symbols_array) AS batch_size,
  symbols_array
FROM job_definitions
WHERE batch_version = 2
ORDER BY created_at DESC
LIMIT 5;
-- name: recent_runs
SELECT 
  id,
  symbol,
  timeframe,
  status,
  rows_written,
  created_at,
  finished_at
FROM job_runs
WHERE created_at > now() - interval '30 minutes'
ORDER BY created_at DESC
LIMIT 10;
-- name: summary_by_version
-- Summary by batch version
SELECT 
  batch_version,
  COUNT(*) as job_count,
  COUNT(DISTINCT timeframe) as timeframes,
  SUM(CASE WHEN symbols_array IS NOT NULL 
      THEN jsonb_array_length(symbols_array) 
      ELSE 1 END) as total_symbols
FROM job_definitions
GROUP BY batch_version
ORDER BY batch_version;
-- name: calls_by_hour
-- Count API calls in last 24 hours
SELECT 
  DATE_TRUNC('hour', created_at) as hour,
  COUNT(*) as api_calls,
  SUM(rows_written) as total_bars
FROM job_runs
WHERE created_at > now() - interval '24 hours'
GROUP BY hour
ORDER BY hour DESC;
-- name: data_quality
-- Check recent data writes
SELECT 
  symbol_id,
  timeframe,
  COUNT(*) as bar_count,
  MIN(ts) as earliest,
  MAX(ts) as latest,
  provider
FROM intraday_bars
WHERE created_at > now() - interval '1 hour'
GROUP BY symbol_id, timeframe, provider
ORDER BY created_at DESC
LIMIT 20;
-- name: disable_phase_1
UPDATE job_definitions 
   SET enabled = false 
   WHERE batch_version = 1;
-- name: delete_phase_1
DELETE FROM job_definitions 
   WHERE batch_version = 1 AND enabled = false;
-- name: disable_phase_1_at_once
UPDATE job_definitions SET enabled = false WHERE batch_version = 1;
-- name: rollback_disable
-- Disable Phase 2 jobs
UPDATE job_definitions 
SET enabled = false 
WHERE batch_version = 2;
-- name: rollback_enable
-- Re-enable Phase 1 jobs
UPDATE job_definitions 
SET enabled = true 
WHERE batch_version = 1;
-- name: runs_of_the_last_hour
SELECT * FROM job_runs 
WHERE created_at > now() - interval '1 hour' 
ORDER BY created_at DESC;
-- name: batches_of_h1
SELECT * FROM job_definitions 
WHERE symbol LIKE 'BATCH_%' 
  AND timeframe = 'h1' 
  AND batch_version = 2;
