-- name: create_migrations :none
-- Where applied migrations are recorded; made before the first of them.
CREATE SCHEMA IF NOT EXISTS reconciler;
CREATE TABLE IF NOT EXISTS reconciler.migrations (
  name text PRIMARY KEY,
  checksum text NOT NULL,
  oldest_program text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now());

-- name: read_migrations :many
-- What has been applied.
SELECT name, checksum, oldest_program FROM reconciler.migrations ORDER BY name;

-- name: insert_migration :none
-- Record one as applied.
INSERT INTO reconciler.migrations (name, checksum, oldest_program)
VALUES (%(name)s, %(checksum)s, %(oldest_program)s);
