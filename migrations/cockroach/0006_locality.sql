-- replaces: 0005_admin_views
-- CockroachDB only, never run where Trivium is built (docs/cockroachdb.md). Needs the database's regions and survival goal
-- (cockroach/bootstrap.sql). {{region_of_home}} is the CASE expression that the migrator makes of the configured
-- regions: home number -> region name.
--
-- A computed region that depends on the primary key alone lets CockroachDB plan every statement into one region and
-- check uniqueness there; no statement of ours names a region. Tables are unlocked first: new ones are schema_locked
-- since v26.1, and SET LOCALITY does not unlock by itself.

-- Read by everyone, written a few times a day.

ALTER TABLE regions SET (schema_locked = false);

ALTER TABLE regions SET LOCALITY GLOBAL;

ALTER TABLE clusters SET (schema_locked = false);

ALTER TABLE clusters SET LOCALITY GLOBAL;

ALTER TABLE identity_blocks SET (schema_locked = false);

ALTER TABLE identity_blocks SET LOCALITY GLOBAL;

ALTER TABLE cidr_groups SET (schema_locked = false);

ALTER TABLE cidr_groups SET LOCALITY GLOBAL;

-- Each row at its cluster's home.

ALTER TABLE cluster_rev SET (schema_locked = false);

ALTER TABLE cluster_rev ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE cluster_rev SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE change_log SET (schema_locked = false);

ALTER TABLE change_log ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE change_log SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE requests SET (schema_locked = false);

ALTER TABLE requests ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE requests SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE audit SET (schema_locked = false);

ALTER TABLE audit ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE audit SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE writer_leases SET (schema_locked = false);

ALTER TABLE writer_leases ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE writer_leases SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE nodes SET (schema_locked = false);

ALTER TABLE nodes ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE nodes SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE namespaces SET (schema_locked = false);

ALTER TABLE namespaces ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE namespaces SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE identities SET (schema_locked = false);

ALTER TABLE identities ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE identities SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE endpoints SET (schema_locked = false);

ALTER TABLE endpoints ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE endpoints SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE addresses SET (schema_locked = false);

ALTER TABLE addresses ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE addresses SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE services SET (schema_locked = false);

ALTER TABLE services ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE services SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE backends SET (schema_locked = false);

ALTER TABLE backends ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE backends SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE policies SET (schema_locked = false);

ALTER TABLE policies ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE policies SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE liveness SET (schema_locked = false);

ALTER TABLE liveness ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE liveness SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE agents SET (schema_locked = false);

ALTER TABLE agents ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE agents SET LOCALITY REGIONAL BY ROW AS crdb_region;

ALTER TABLE agent_positions SET (schema_locked = false);

ALTER TABLE agent_positions ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE agent_positions SET LOCALITY REGIONAL BY ROW AS crdb_region;

-- The hot row leaves a version behind at each commit, all in one range that cannot split: keep them ten minutes, not four
-- hours. Backups and AS OF SYSTEM TIME reads of these tables reach no further back.
ALTER TABLE cluster_rev CONFIGURE ZONE USING gc.ttlseconds = 600;

ALTER TABLE agents CONFIGURE ZONE USING gc.ttlseconds = 600;

ALTER TABLE agent_positions CONFIGURE ZONE USING gc.ttlseconds = 600;
