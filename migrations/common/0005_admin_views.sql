-- replaces: 0004_agents
-- The stable interface for people who read SQL; docs/sql.md describes each column. Plain views: they run with the
-- rights of their owner, so that trivium_reader needs nothing but them.

CREATE OR REPLACE VIEW admin_clusters AS
SELECT v.name AS cluster, v.cluster_id, v.home, c.region, c.address_space, c.pod_cidrs,
       v.epoch, v.revision, v.log_floor,
       (SELECT l.created_at FROM change_log AS l
         WHERE l.home = v.home AND l.cluster_id = v.cluster_id AND l.revision = v.revision) AS last_commit_at,
       (SELECT count(*) FROM nodes AS n WHERE n.home = v.home AND n.cluster_id = v.cluster_id) AS nodes,
       (SELECT count(*) FROM endpoints AS e WHERE e.home = v.home AND e.cluster_id = v.cluster_id) AS endpoints,
       (SELECT count(*) FROM identities AS i WHERE i.home = v.home AND i.cluster_id = v.cluster_id) AS identities,
       (SELECT count(*) FROM policies AS p WHERE p.home = v.home AND p.cluster_id = v.cluster_id) AS policies
  FROM cluster_rev AS v
  LEFT JOIN clusters AS c ON c.home = 0 AND c.cluster_id = 0 AND c.name = v.name;

CREATE OR REPLACE VIEW admin_nodes AS
SELECT v.name AS cluster, n.name AS node, n.number, n.zone, n.addresses, n.inner_addresses, n.pod_cidrs, n.mtu,
       n.boot_id, n.protocol_version,
       COALESCE((SELECT s.alive FROM liveness AS s
                  WHERE s.home = n.home AND s.cluster_id = n.cluster_id
                    AND s.observed_cluster = v.name AND s.observed_node = n.name), true) AS alive,
       (SELECT a.received_at FROM agents AS a
         WHERE a.home = n.home AND a.cluster_id = n.cluster_id AND a.node = n.name) AS agent_seen_at,
       (SELECT count(*) FROM endpoints AS e
         WHERE e.home = n.home AND e.cluster_id = n.cluster_id AND e.node = n.number) AS endpoints,
       n.generation, n.revision
  FROM nodes AS n
  JOIN cluster_rev AS v ON v.home = n.home AND v.cluster_id = n.cluster_id;

CREATE OR REPLACE VIEW admin_endpoints AS
SELECT v.name AS cluster, e.namespace, e.name, e.uid, n.name AS node,
       ARRAY(SELECT host(a.ip) FROM addresses AS a
              WHERE a.home = e.home AND a.cluster_id = e.cluster_id AND a.endpoint = e.uid
              ORDER BY a.space, a.ip) AS addresses,
       e.identity, i.label_text AS labels, i.named_ports, e.revision
  FROM endpoints AS e
  JOIN cluster_rev AS v ON v.home = e.home AND v.cluster_id = e.cluster_id
  LEFT JOIN nodes AS n ON n.home = e.home AND n.cluster_id = e.cluster_id AND n.number = e.node
  LEFT JOIN identities AS i ON i.home = e.home AND i.cluster_id = e.cluster_id AND i.id = e.identity;

CREATE OR REPLACE VIEW admin_identities AS
SELECT v.name AS cluster, i.id AS identity, i.label_text AS labels, i.labels AS labels_json, i.named_ports,
       i.refs AS endpoints, i.refs_changed_at AS endpoints_changed_at, i.revision
  FROM identities AS i
  JOIN cluster_rev AS v ON v.home = i.home AND v.cluster_id = i.cluster_id;

CREATE OR REPLACE VIEW admin_policies AS
SELECT v.name AS cluster, p.kind, p.namespace, p.name, p.tier, p.priority, p.ingress_rules, p.egress_rules,
       p.default_deny_ingress, p.default_deny_egress, p.generation, p.revision,
       (SELECT l.created_at FROM change_log AS l
         WHERE l.home = p.home AND l.cluster_id = p.cluster_id AND l.revision = p.revision) AS changed_at,
       (SELECT count(*) FROM nodes AS n
          JOIN agent_positions AS a ON a.home = n.home AND a.cluster_id = n.cluster_id AND a.node = n.name
         WHERE n.home = p.home AND n.cluster_id = p.cluster_id AND a.followed = v.name AND a.epoch = v.epoch
           AND a.enforced >= p.revision) AS nodes_enforcing,
       (SELECT count(*) FROM nodes AS n WHERE n.home = p.home AND n.cluster_id = p.cluster_id) AS nodes,
       p.manifest
  FROM policies AS p
  JOIN cluster_rev AS v ON v.home = p.home AND v.cluster_id = p.cluster_id;

CREATE OR REPLACE VIEW admin_agents AS
SELECT v.name AS cluster, n.name AS node, a.version, a.protocol_version, a.received_at AS seen_at,
       EXTRACT(EPOCH FROM now() - a.received_at)::INT8 AS silent_seconds, a.endpoints,
       p.followed AS follows, f.epoch AS head_epoch, f.revision AS head_revision, p.epoch, p.received, p.enforced,
       CASE WHEN p.epoch = f.epoch THEN GREATEST(f.revision - p.enforced, 0) ELSE f.revision END AS lag_revisions,
       CASE WHEN p.epoch = f.epoch AND p.enforced >= f.revision THEN 0
            ELSE EXTRACT(EPOCH FROM now() - (SELECT l.created_at FROM change_log AS l
                                              WHERE l.home = f.home AND l.cluster_id = f.cluster_id
                                                AND (l.revision > p.enforced OR p.epoch <> f.epoch)
                                              ORDER BY l.revision LIMIT 1))::INT8 END AS lag_seconds,
       p.problem
  FROM nodes AS n
  JOIN cluster_rev AS v ON v.home = n.home AND v.cluster_id = n.cluster_id
  LEFT JOIN agents AS a ON a.home = n.home AND a.cluster_id = n.cluster_id AND a.node = n.name
  LEFT JOIN agent_positions AS p ON p.home = n.home AND p.cluster_id = n.cluster_id AND p.node = n.name
  LEFT JOIN cluster_rev AS f ON f.name = p.followed;

CREATE OR REPLACE VIEW admin_changes AS
SELECT v.name AS cluster, c.revision, c.accepted_at AS changed_at, c.actor AS who, c.source AS program,
       c.verb, c.kind, c.key, c.request_id, c.manifest
  FROM audit AS c
  JOIN cluster_rev AS v ON v.home = c.home AND v.cluster_id = c.cluster_id;

CREATE OR REPLACE VIEW admin_commits AS
SELECT v.name AS cluster, l.epoch, l.revision, l.created_at AS committed_at, l.changes, l.bytes, l.batch, l.prev_batch
  FROM change_log AS l
  JOIN cluster_rev AS v ON v.home = l.home AND v.cluster_id = l.cluster_id;

CREATE OR REPLACE VIEW admin_drops AS
SELECT v.name AS cluster, a.node, (d.item->>'reason')::INT8 AS reason, d.item->>'name' AS name,
       (d.item->>'packets')::INT8 AS packets, a.reported_at
  FROM agents AS a
  JOIN cluster_rev AS v ON v.home = a.home AND v.cluster_id = a.cluster_id
  CROSS JOIN LATERAL jsonb_array_elements(a.drops) AS d(item);

GRANT SELECT ON TABLE admin_clusters, admin_nodes, admin_endpoints, admin_identities, admin_policies, admin_agents,
                      admin_changes, admin_commits, admin_drops TO trivium_reader;
