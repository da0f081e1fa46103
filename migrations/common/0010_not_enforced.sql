-- replaces: 0009_identity_locality
-- works with: 0007_cidr_groups
-- Which policies an agent does not enforce, as it says itself: at most a hundred by name, and how many in all.

ALTER TABLE agents ADD COLUMN IF NOT EXISTS not_enforced JSONB NOT NULL DEFAULT '[]';

ALTER TABLE agents ADD COLUMN IF NOT EXISTS not_enforced_total INT8 NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW admin_policies_not_enforced AS
SELECT v.name AS cluster, a.node, p.item->>'kind' AS kind, p.item->>'namespace' AS namespace, p.item->>'name' AS name,
       p.item->>'reason' AS reason, (p.item->>'endpoints')::INT8 AS endpoints,
       (p.item->>'since')::TIMESTAMPTZ AS since, a.not_enforced_total AS policies_of_node, a.received_at AS seen_at
  FROM agents AS a
  JOIN cluster_rev AS v ON v.home = a.home AND v.cluster_id = a.cluster_id
  CROSS JOIN LATERAL jsonb_array_elements(a.not_enforced) AS p(item);

GRANT SELECT ON TABLE admin_policies_not_enforced TO trivium_reader;
