-- replaces: 0002_mesh_objects
-- The objects of one cluster. A prefix of addresses is an INET with its length.

CREATE TABLE IF NOT EXISTS nodes (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  name TEXT NOT NULL,
  uid UUID NOT NULL,
  generation INT8 NOT NULL,
  revision INT8 NOT NULL,
  number INT8 NOT NULL,
  addresses INET[] NOT NULL,
  inner_addresses INET[] NOT NULL,
  pod_cidrs INET[] NOT NULL,
  zone TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  public_key BYTEA NOT NULL,
  key_id INT8 NOT NULL,
  protocol_version INT8 NOT NULL,
  mtu INT8 NOT NULL,
  manifest TEXT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, name),
  CONSTRAINT nodes_number UNIQUE (home, cluster_id, number)
);

CREATE TABLE IF NOT EXISTS namespaces (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  name TEXT NOT NULL,
  uid UUID NOT NULL,
  generation INT8 NOT NULL,
  revision INT8 NOT NULL,
  labels JSONB NOT NULL,
  manifest TEXT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, name)
);

-- One row per set of labels and named ports: label_hash is that of both, label_text is for people. `refs` counts the
-- endpoints that name the identity, in the transaction that changes them; refs_changed_at dates the last such change.
CREATE TABLE IF NOT EXISTS identities (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  id INT8 NOT NULL,
  uid UUID NOT NULL,
  generation INT8 NOT NULL,
  revision INT8 NOT NULL,
  labels JSONB NOT NULL,
  label_text TEXT NOT NULL,
  label_hash UUID NOT NULL,
  named_ports TEXT NOT NULL,
  refs INT8 NOT NULL DEFAULT 0,
  refs_changed_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, id),
  CONSTRAINT identities_labels UNIQUE (home, cluster_id, label_hash)
);

CREATE TABLE IF NOT EXISTS endpoints (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  uid UUID NOT NULL,
  generation INT8 NOT NULL,
  revision INT8 NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  node INT8 NOT NULL,
  identity INT8 NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, uid)
);

-- Who owns an address now. It is the endpoint that claimed it last.
CREATE TABLE IF NOT EXISTS addresses (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  space INT8 NOT NULL,
  ip INET NOT NULL,
  endpoint UUID NOT NULL,
  revision INT8 NOT NULL,
  PRIMARY KEY (home, cluster_id, space, ip)
);

CREATE INDEX IF NOT EXISTS addresses_by_endpoint ON addresses (home, cluster_id, endpoint);

CREATE TABLE IF NOT EXISTS services (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  uid UUID NOT NULL,
  generation INT8 NOT NULL,
  revision INT8 NOT NULL,
  cluster_ips INET[] NOT NULL,
  ports TEXT NOT NULL,
  is_global BOOL NOT NULL,
  is_shared BOOL NOT NULL,
  affinity TEXT NOT NULL,
  manifest TEXT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, namespace, name)
);

CREATE TABLE IF NOT EXISTS backends (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  namespace TEXT NOT NULL,
  service TEXT NOT NULL,
  endpoint UUID NOT NULL,
  port_name TEXT NOT NULL,
  uid UUID NOT NULL,
  generation INT8 NOT NULL,
  revision INT8 NOT NULL,
  ip INET NOT NULL,
  protocol INT2 NOT NULL,
  port INT4 NOT NULL,
  ready BOOL NOT NULL,
  terminating BOOL NOT NULL,
  weight INT8 NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, namespace, service, endpoint, port_name)
);

CREATE TABLE IF NOT EXISTS policies (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  kind TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  uid UUID NOT NULL,
  generation INT8 NOT NULL,
  revision INT8 NOT NULL,
  tier INT8 NOT NULL,
  priority INT8 NOT NULL,
  ingress_rules INT4 NOT NULL,
  egress_rules INT4 NOT NULL,
  default_deny_ingress BOOL NOT NULL,
  default_deny_egress BOOL NOT NULL,
  manifest TEXT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, kind, namespace, name)
);

-- What this cluster has observed of another cluster (node empty) or of a node.
CREATE TABLE IF NOT EXISTS liveness (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  observed_cluster TEXT NOT NULL,
  observed_node TEXT NOT NULL,
  uid UUID NOT NULL,
  generation INT8 NOT NULL,
  revision INT8 NOT NULL,
  alive BOOL NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, observed_cluster, observed_node)
);
