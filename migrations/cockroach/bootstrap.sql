-- CockroachDB only, run once by an admin after migrations/bootstrap.sql; the names are those of the nodes' --locality=region=.
-- Never run where Trivium is built. Order matters for a restore: the same regions, in the same order, with the same primary.
ALTER DATABASE trivium SET PRIMARY REGION "aws-eu-west-2";
ALTER DATABASE trivium ADD REGION IF NOT EXISTS "gcp-europe-west2";
ALTER DATABASE trivium ADD REGION IF NOT EXISTS "azure-uksouth";
-- REGION where the clouds are about 10 ms apart or less: each commit then waits for the nearest other region. Else ZONE.
ALTER DATABASE trivium SURVIVE REGION FAILURE;
