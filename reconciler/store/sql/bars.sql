-- name: create_stage :none
-- Where a page lands before it is merged; gone with the transaction.
CREATE TEMPORARY TABLE staged_bars (
  symbol_id uuid, ts timestamptz, open float8, high float8, low float8, close float8, volume bigint,
  trade_count bigint, vwap float8) ON COMMIT DROP;

-- name: copy_stage :none
-- Send a page in binary form.
COPY staged_bars (symbol_id, ts, open, high, low, close, volume, trade_count, vwap) FROM STDIN (FORMAT BINARY);

-- name: merge_stage :none
-- Write the page in key order (two writers in opposite order would deadlock); equal rows are not rewritten, so the
-- row count is what was inserted or really changed.
INSERT INTO public.intraday_bars AS b
  (symbol_id, timeframe, ts, open, high, low, close, volume, trade_count, vwap, provider)
SELECT symbol_id, %(timeframe)s, ts, open, high, low, close, volume, trade_count, vwap, %(provider)s
FROM staged_bars ORDER BY symbol_id, ts
ON CONFLICT (symbol_id, timeframe, ts, provider) DO UPDATE
SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume,
    trade_count = excluded.trade_count, vwap = excluded.vwap, updated_at = now()
WHERE (b.open, b.high, b.low, b.close, b.volume, b.trade_count, b.vwap)
      IS DISTINCT FROM (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume,
                        excluded.trade_count, excluded.vwap);

-- name: tune_merge :one
-- With partitions the estimate passes the cost from which plans are compiled, which takes longer than the merge.
SELECT set_config('jit', 'off', true);

-- name: cover :none
-- The provider has answered completely for these symbols and this time.
INSERT INTO reconciler.coverage AS c (symbol_id, timeframe, dataset, covered)
SELECT s, %(timeframe)s, %(dataset)s, tstzmultirange(tstzrange(%(covered_from)s, %(covered_to)s))
FROM unnest(%(symbol_ids)s::uuid[]) AS s ORDER BY s
ON CONFLICT (symbol_id, timeframe, dataset) DO UPDATE SET covered = c.covered + excluded.covered
WHERE NOT c.covered @> excluded.covered;
