-- replaces: 0011_event_cursor
-- works with: 0007_cidr_groups
-- Who may talk to whom, worked out from the policies on request or while it is kept fresh (docs/sql.md), for people:
-- never in the log, never an input of anything. One row per pair of a cluster's identity and a peer, direction, and
-- range of ports with one verdict. `protocols` is a sum: TCP 1, UDP 2, SCTP 4, ICMP 8, ICMPv6 16, all others 32. The peer
-- is an identity of any cluster, a reserved one (1 to 8), or (0) a prefix. Without `origin` no rule decides.

CREATE TABLE IF NOT EXISTS reachability (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  identity INT8 NOT NULL,
  peer INT8 NOT NULL,
  prefix TEXT NOT NULL,
  ingress BOOL NOT NULL,
  protocols INT2 NOT NULL,
  first_port INT4 NOT NULL,
  last_port INT4 NOT NULL,
  allowed BOOL NOT NULL,
  policy TEXT NOT NULL,
  origin TEXT NOT NULL,
  peer_home INT2 NOT NULL,
  peer_cluster_id INT8 NOT NULL,
  epoch INT8 NOT NULL,
  revision INT8 NOT NULL,
  computed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (home, cluster_id, identity, peer, prefix, ingress, protocols, first_port)
);

-- Which identities a policy selects, and whether it closes them: a selector is nothing that SQL could judge.
CREATE TABLE IF NOT EXISTS policy_selections (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  identity INT8 NOT NULL,
  kind TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  closes_ingress BOOL NOT NULL,
  closes_egress BOOL NOT NULL,
  epoch INT8 NOT NULL,
  revision INT8 NOT NULL,
  computed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (home, cluster_id, identity, kind, namespace, name)
);

CREATE INDEX IF NOT EXISTS policy_selections_by_policy ON policy_selections (home, cluster_id, kind, namespace, name);

-- Whose rows the two tables hold: `writes` is what the next write must follow, so that two control planes never mix
-- theirs. (epoch, revision) is the cluster's own position among `positions`, [{cluster, epoch, revision}].
CREATE TABLE IF NOT EXISTS reachability_state (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  writes INT8 NOT NULL DEFAULT 0,
  complete BOOL NOT NULL DEFAULT false,
  epoch INT8 NOT NULL DEFAULT 0,
  revision INT8 NOT NULL DEFAULT 0,
  positions JSONB NOT NULL DEFAULT '[]',
  rows_held INT8 NOT NULL DEFAULT 0,
  problem TEXT NOT NULL DEFAULT '',
  writer TEXT NOT NULL DEFAULT '',
  written_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (home, cluster_id)
);

CREATE OR REPLACE VIEW admin_reachability AS
SELECT v.name AS cluster, r.identity, i.label_text AS labels,
       CASE WHEN r.ingress THEN 'ingress' ELSE 'egress' END AS direction,
       CASE WHEN r.peer = 0 THEN 'cidr' WHEN r.peer < 256 THEN 'entity' ELSE 'identity' END AS peer_kind,
       w.name AS peer_cluster, NULLIF(r.peer, 0) AS peer_identity,
       CASE WHEN r.peer = 0 THEN r.prefix WHEN r.peer < 256 THEN e.name ELSE p.label_text END AS peer,
       b.name AS protocol, r.first_port,
       CASE WHEN b.bit IN (8, 16) THEN LEAST(r.last_port, 255) ELSE r.last_port END AS last_port,
       CASE WHEN r.allowed THEN 'allowed' ELSE 'denied' END AS verdict,
       NULLIF(split_part(r.policy, '/', 1), '') AS rule_kind, NULLIF(split_part(r.policy, '/', 2), '') AS rule_namespace,
       NULLIF(split_part(r.policy, '/', 3), '') AS rule_name, NULLIF(r.origin, '') AS rule_origin,
       r.epoch, r.revision, r.computed_at
  FROM reachability AS r
  JOIN cluster_rev AS v ON v.home = r.home AND v.cluster_id = r.cluster_id
  JOIN (VALUES (1, 'TCP'), (2, 'UDP'), (4, 'SCTP'), (8, 'ICMP'), (16, 'ICMPv6'), (32, 'other'), (63, 'ANY'))
         AS b(bit, name)
    ON (r.protocols = 63 AND b.bit = 63) OR (r.protocols <> 63 AND b.bit <> 63 AND (r.protocols::INT8 & b.bit::INT8) <> 0)
  LEFT JOIN (VALUES (1, 'host'), (2, 'world'), (3, 'unmanaged'), (4, 'health'), (5, 'init'), (6, 'remote-node'),
                    (7, 'kube-apiserver'), (8, 'ingress')) AS e(id, name) ON e.id = r.peer
  LEFT JOIN identities AS i ON i.home = r.home AND i.cluster_id = r.cluster_id AND i.id = r.identity
  LEFT JOIN identities AS p ON r.peer >= 256 AND p.home = r.peer_home AND p.cluster_id = r.peer_cluster_id
                               AND p.id = r.peer
  LEFT JOIN cluster_rev AS w ON r.peer >= 256 AND w.home = r.peer_home AND w.cluster_id = r.peer_cluster_id;

CREATE OR REPLACE VIEW admin_reachability_state AS
SELECT v.name AS cluster, p.item->>'cluster' AS follows, (p.item->>'epoch')::INT8 AS epoch,
       (p.item->>'revision')::INT8 AS revision, f.epoch AS head_epoch, f.revision AS head_revision,
       s.complete, s.rows_held AS rows, NULLIF(s.problem, '') AS problem, s.writer AS computed_by, s.written_at
  FROM reachability_state AS s
  JOIN cluster_rev AS v ON v.home = s.home AND v.cluster_id = s.cluster_id
  CROSS JOIN LATERAL jsonb_array_elements(s.positions) AS p(item)
  LEFT JOIN cluster_rev AS f ON f.name = p.item->>'cluster';

CREATE OR REPLACE VIEW admin_policy_selections AS
SELECT v.name AS cluster, s.kind, s.namespace, s.name, s.closes_ingress, s.closes_egress, s.identity,
       i.label_text AS labels, e.namespace AS endpoint_namespace, e.name AS endpoint, n.name AS node,
       s.epoch, s.revision, s.computed_at
  FROM policy_selections AS s
  JOIN cluster_rev AS v ON v.home = s.home AND v.cluster_id = s.cluster_id
  LEFT JOIN identities AS i ON i.home = s.home AND i.cluster_id = s.cluster_id AND i.id = s.identity
  LEFT JOIN endpoints AS e ON e.home = s.home AND e.cluster_id = s.cluster_id AND e.identity = s.identity
  LEFT JOIN nodes AS n ON n.home = e.home AND n.cluster_id = e.cluster_id AND n.number = e.node;

-- One row per cluster whose agents follow a history, and that history: the sum of admin_agents.
CREATE OR REPLACE VIEW admin_lag AS
SELECT a.cluster, f.name AS follows, count(*) AS nodes,
       count(*) FILTER (WHERE a.follows IS NULL) AS nodes_unheard,
       count(*) FILTER (WHERE a.lag_revisions > 0) AS nodes_behind,
       max(a.lag_revisions) AS max_lag_revisions, max(a.lag_seconds) AS max_lag_seconds,
       max(a.silent_seconds) AS max_silent_seconds,
       (SELECT s.node FROM admin_agents AS s
         WHERE s.cluster = a.cluster AND s.follows = f.name AND s.lag_revisions > 0
         ORDER BY s.lag_revisions DESC, s.node LIMIT 1) AS slowest_node
  FROM cluster_rev AS f
  JOIN admin_agents AS a ON a.follows = f.name OR (a.follows IS NULL AND a.cluster = f.name)
 GROUP BY a.cluster, f.name;

-- One row per policy and registered node of its cluster.
CREATE OR REPLACE VIEW admin_policy_enforcement AS
SELECT v.name AS cluster, p.kind, p.namespace, p.name, p.revision, n.name AS node, a.enforced AS node_revision,
       COALESCE(a.epoch = v.epoch AND a.enforced >= p.revision AND x.reason IS NULL, false) AS enforced,
       CASE WHEN a.node IS NULL THEN 'its agent has not reported yet'
            WHEN x.reason IS NOT NULL THEN x.reason
            WHEN a.epoch <> v.epoch THEN 'its agent is in another epoch'
            WHEN a.enforced >= p.revision THEN NULL
            WHEN a.problem <> '' THEN a.problem
            ELSE 'its agent is behind' END AS reason,
       EXTRACT(EPOCH FROM now() - g.received_at)::INT8 AS silent_seconds
  FROM policies AS p
  JOIN cluster_rev AS v ON v.home = p.home AND v.cluster_id = p.cluster_id
  JOIN nodes AS n ON n.home = p.home AND n.cluster_id = p.cluster_id
  LEFT JOIN agents AS g ON g.home = n.home AND g.cluster_id = n.cluster_id AND g.node = n.name
  LEFT JOIN agent_positions AS a ON a.home = n.home AND a.cluster_id = n.cluster_id AND a.node = n.name
                                    AND a.followed = v.name
  LEFT JOIN admin_policies_not_enforced AS x ON x.cluster = v.name AND x.node = n.name AND x.kind = p.kind
                                                AND x.namespace = p.namespace AND x.name = p.name;

CREATE OR REPLACE VIEW admin_maps AS
SELECT v.name AS cluster, a.node, m.item->>'name' AS map, (m.item->>'entries')::INT8 AS entries,
       (m.item->>'capacity')::INT8 AS capacity,
       div((m.item->>'entries')::DECIMAL * 100, NULLIF((m.item->>'capacity')::DECIMAL, 0))::INT8 AS percent,
       a.reported_at
  FROM agents AS a
  JOIN cluster_rev AS v ON v.home = a.home AND v.cluster_id = a.cluster_id
  CROSS JOIN LATERAL jsonb_array_elements(a.maps) AS m(item);

-- Every prefix and address that something in the mesh is registered with, but for those of pods.
CREATE OR REPLACE VIEW admin_cidrs AS
SELECT c.name AS cluster, 'pods of cluster' AS what, c.name, c.address_space, u.prefix
  FROM clusters AS c CROSS JOIN LATERAL unnest(c.pod_cidrs) AS u(prefix)
UNION ALL
SELECT v.name, 'pods of node', n.name, c.address_space, u.prefix
  FROM nodes AS n
  JOIN cluster_rev AS v ON v.home = n.home AND v.cluster_id = n.cluster_id
  LEFT JOIN clusters AS c ON c.home = 0 AND c.cluster_id = 0 AND c.name = v.name
  CROSS JOIN LATERAL unnest(n.pod_cidrs) AS u(prefix)
UNION ALL
SELECT v.name, 'address of node', n.name, c.address_space, u.prefix
  FROM nodes AS n
  JOIN cluster_rev AS v ON v.home = n.home AND v.cluster_id = n.cluster_id
  LEFT JOIN clusters AS c ON c.home = 0 AND c.cluster_id = 0 AND c.name = v.name
  CROSS JOIN LATERAL unnest(n.addresses) AS u(prefix)
UNION ALL
SELECT v.name, 'CIDR group', g.name, c.address_space, u.prefix
  FROM cidr_groups AS g
  JOIN cluster_rev AS v ON v.home = g.home AND v.cluster_id = g.cluster_id
  LEFT JOIN clusters AS c ON c.home = 0 AND c.cluster_id = 0 AND c.name = v.name
  CROSS JOIN LATERAL unnest(g.cidrs) AS u(prefix);

-- Those that should not overlap, or whose overlap has consequences.
CREATE OR REPLACE VIEW admin_overlapping_cidrs AS
SELECT a.prefix, a.what, a.cluster, a.name, b.prefix AS other_prefix, b.what AS other_what, b.cluster AS other_cluster,
       b.name AS other_name, a.address_space = b.address_space AS same_address_space,
       CASE WHEN a.what = 'CIDR group' THEN 'the group never selects those pods'
            WHEN a.what = 'address of node' THEN 'pods take the node for a pod'
            WHEN a.address_space = b.address_space THEN 'addresses are ambiguous'
            ELSE 'kept apart by address spaces' END AS consequence
  FROM admin_cidrs AS a
  JOIN admin_cidrs AS b ON a.prefix && b.prefix
 WHERE (a.what = 'pods of cluster' AND b.what = 'pods of cluster' AND (a.cluster, a.prefix) < (b.cluster, b.prefix))
    OR (a.what = 'pods of node' AND b.what = 'pods of node' AND a.cluster = b.cluster
        AND (a.name, a.prefix) < (b.name, b.prefix))
    OR (a.what = 'address of node' AND b.what = 'pods of cluster' AND a.address_space = b.address_space)
    OR (a.what = 'CIDR group' AND b.what = 'pods of cluster');

GRANT SELECT ON TABLE admin_reachability, admin_reachability_state, admin_policy_selections, admin_lag,
                      admin_policy_enforcement, admin_maps, admin_cidrs, admin_overlapping_cidrs TO trivium_reader;
