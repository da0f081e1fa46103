-- replaces: 0008_identity_life
-- works with: 0007_cidr_groups
-- CockroachDB only, never run where Trivium is built (docs/cockroachdb.md).

ALTER TABLE retired_identities SET (schema_locked = false);

ALTER TABLE retired_identities ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE retired_identities SET LOCALITY REGIONAL BY ROW AS crdb_region;
