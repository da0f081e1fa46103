-- replaces: 0012_reachability
-- works with: 0007_cidr_groups
-- CockroachDB only, never run where Trivium is built (docs/cockroachdb.md).

ALTER TABLE reachability SET (schema_locked = false);

ALTER TABLE reachability ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE reachability SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE policy_selections SET (schema_locked = false);

ALTER TABLE policy_selections ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE policy_selections SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE reachability_state SET (schema_locked = false);

ALTER TABLE reachability_state ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE reachability_state SET LOCALITY REGIONAL BY ROW AS crdb_region;
