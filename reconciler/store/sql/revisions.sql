-- name: insert_revision :one
-- Record what was applied, by whom and from which commit.
INSERT INTO reconciler.revisions (owner, config, config_sha256, git_sha, actor, plan, plan_id)
VALUES (%(owner)s, %(config)s, %(config_sha256)s, %(git_sha)s, %(actor)s, %(plan)s, %(plan_id)s)
RETURNING id;

-- name: read_last_revisions :many
-- Every owner's last applied configuration.
SELECT DISTINCT ON (owner) owner, id, config, plan_id, actor, git_sha, applied_at
FROM reconciler.revisions ORDER BY owner, id DESC;

-- name: bind_dataset :one
-- The first apply binds the label; later ones get back what it is bound to.
WITH added AS (
  INSERT INTO reconciler.datasets (label, feed, adjustment, session)
  VALUES (%(label)s, %(feed)s, %(adjustment)s, %(session)s)
  ON CONFLICT (label) DO NOTHING
  RETURNING feed, adjustment, session)
SELECT feed, adjustment, session FROM added
UNION ALL
SELECT feed, adjustment, session FROM reconciler.datasets WHERE label = %(label)s
LIMIT 1;

-- name: read_datasets :many
-- What each label is bound to; host is null until the first page was written.
SELECT label, host, feed, adjustment, session FROM reconciler.datasets ORDER BY label;

-- name: bind_host :many
-- Bind the label to the provider's host with its first page; returns the host it is bound to. No row: another
-- transaction bound it just now, or the label is unknown; a second look tells.
WITH bound AS (
  UPDATE reconciler.datasets SET host = %(host)s WHERE label = %(label)s AND host IS NULL RETURNING host)
SELECT host FROM bound
UNION ALL
SELECT host FROM reconciler.datasets WHERE label = %(label)s AND host IS NOT NULL;
