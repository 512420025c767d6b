-- name: find_database :one
-- Whether the embedded cluster has the program's database.
SELECT EXISTS (SELECT FROM pg_database WHERE datname = 'reconciler');

-- name: create_database :none
-- Make it.
CREATE DATABASE reconciler;
