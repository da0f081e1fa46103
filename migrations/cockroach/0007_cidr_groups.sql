-- replaces: 0006_locality
-- CIDR groups are objects of their own cluster, not of the mesh: their rows live at its home, and administrators see
-- them.

ALTER TABLE cidr_groups SET (schema_locked = false);

ALTER TABLE cidr_groups ADD COLUMN IF NOT EXISTS crdb_region crdb_internal_region NOT VISIBLE NOT NULL
  AS ({{region_of_home}}) STORED;

ALTER TABLE cidr_groups SET LOCALITY REGIONAL BY ROW AS crdb_region;

CREATE OR REPLACE VIEW admin_cidr_groups AS
SELECT v.name AS cluster, g.name, g.cidrs, g.generation, g.revision, g.manifest
  FROM cidr_groups AS g
  JOIN cluster_rev AS v ON v.home = g.home AND v.cluster_id = g.cluster_id;

GRANT SELECT ON TABLE admin_cidr_groups TO trivium_reader;
