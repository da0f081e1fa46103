-- replaces: 0007_cidr_groups
-- works with: 0007_cidr_groups
-- Numbers whose identity is gone and that no other may have yet: not before every node of the mesh has confirmed the
-- revision that took the identity away (docs/identities.md). Written in the transaction of that revision; no part of
-- objects, digest or feed. `body` is the identity as it was: an endpoint with the same labels gets the number back.

CREATE TABLE IF NOT EXISTS retired_identities (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  id INT8 NOT NULL,
  epoch INT8 NOT NULL,
  revision INT8 NOT NULL,
  label_text TEXT NOT NULL,
  retired_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, id)
);

-- One row per identity whose counted references are not those that a count finds, or whose number is both in use and
-- retired: always empty.
CREATE OR REPLACE VIEW admin_identity_audit AS
SELECT v.name AS cluster, i.id AS identity, i.refs AS counted, COALESCE(c.n, 0) AS found,
       r.id IS NOT NULL AS retired
  FROM identities AS i
  JOIN cluster_rev AS v ON v.home = i.home AND v.cluster_id = i.cluster_id
  LEFT JOIN (SELECT e.home, e.cluster_id, e.identity, count(*) AS n FROM endpoints AS e
              GROUP BY e.home, e.cluster_id, e.identity) AS c
         ON c.home = i.home AND c.cluster_id = i.cluster_id AND c.identity = i.id
  LEFT JOIN retired_identities AS r ON r.home = i.home AND r.cluster_id = i.cluster_id AND r.id = i.id
 WHERE i.refs <> COALESCE(c.n, 0) OR r.id IS NOT NULL;

-- `waits_for` names a node that has not confirmed yet; none: the number is free again.
CREATE OR REPLACE VIEW admin_retired_identities AS
SELECT v.name AS cluster, r.id AS identity, r.label_text AS labels, r.epoch, r.revision, r.retired_at,
       (SELECT w.name || '/' || n.name FROM nodes AS n
          JOIN cluster_rev AS w ON w.home = n.home AND w.cluster_id = n.cluster_id
          LEFT JOIN agent_positions AS p
                 ON p.home = n.home AND p.cluster_id = n.cluster_id AND p.node = n.name AND p.followed = v.name
         WHERE p.node IS NULL OR p.epoch < r.epoch OR (p.epoch = r.epoch AND p.enforced < r.revision)
         ORDER BY w.name, n.name LIMIT 1) AS waits_for
  FROM retired_identities AS r
  JOIN cluster_rev AS v ON v.home = r.home AND v.cluster_id = r.cluster_id;

-- What each cluster has observed: every row is a transition that lasted; what was never seen to fail has none.
CREATE OR REPLACE VIEW admin_liveness AS
SELECT v.name AS observer, s.observed_cluster AS cluster, s.observed_node AS node, s.alive,
       (SELECT l.created_at FROM change_log AS l
         WHERE l.home = s.home AND l.cluster_id = s.cluster_id AND l.revision = s.revision) AS since,
       s.generation AS changes, s.revision
  FROM liveness AS s
  JOIN cluster_rev AS v ON v.home = s.home AND v.cluster_id = s.cluster_id;

GRANT SELECT ON TABLE admin_identity_audit, admin_retired_identities, admin_liveness TO trivium_reader;
