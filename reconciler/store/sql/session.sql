-- name: set_timeouts :one
-- Bound the waits of this transaction only: SET LOCAL by function, so that it takes parameters and no pooler keeps it.
SELECT set_config('statement_timeout', %(statement_ms)s, true), set_config('lock_timeout', %(lock_ms)s, true);

-- name: read_now :one
-- The database's clock.
SELECT clock_timestamp();

-- name: lock_apply :one
-- Wait for the one lock that every apply takes; freed at the end of the transaction, whatever happens to the client.
SELECT pg_advisory_xact_lock(7403771, 1);

-- name: try_lock_schedule :one
-- Whether this transaction may schedule: no other scheduler and no apply is at work. Never waits.
SELECT pg_try_advisory_xact_lock(7403771, 2) AND pg_try_advisory_xact_lock_shared(7403771, 1);

-- name: lock_migrate :one
-- Wait for the lock that every migration takes.
SELECT pg_advisory_xact_lock(7403771, 3);
