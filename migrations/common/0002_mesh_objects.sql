-- replaces: 0001_revisions
-- What belongs to no cluster, and therefore to the mesh's own log (home 0, cluster_id 0). In every table of objects:
-- `revision` is that of the last change, `body` the serialized object that the log carried (what control planes read;
-- the other columns say the same to people), `manifest` the original text, empty for what did not come as one.

CREATE TABLE IF NOT EXISTS regions (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  name TEXT NOT NULL,
  uid UUID NOT NULL,
  generation INT8 NOT NULL,
  revision INT8 NOT NULL,
  number INT2 NOT NULL,
  manifest TEXT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, name)
);

CREATE TABLE IF NOT EXISTS clusters (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  name TEXT NOT NULL,
  uid UUID NOT NULL,
  generation INT8 NOT NULL,
  revision INT8 NOT NULL,
  number INT8 NOT NULL,
  region TEXT NOT NULL,
  address_space INT8 NOT NULL,
  pod_cidrs INET[] NOT NULL,
  manifest TEXT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, name),
  CONSTRAINT clusters_number UNIQUE (home, cluster_id, number)
);

CREATE TABLE IF NOT EXISTS identity_blocks (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  first INT8 NOT NULL,
  uid UUID NOT NULL,
  generation INT8 NOT NULL,
  revision INT8 NOT NULL,
  size INT8 NOT NULL,
  owner_cluster INT8 NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, first)
);

CREATE TABLE IF NOT EXISTS cidr_groups (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  name TEXT NOT NULL,
  uid UUID NOT NULL,
  generation INT8 NOT NULL,
  revision INT8 NOT NULL,
  cidrs INET[] NOT NULL,
  manifest TEXT NOT NULL,
  body BYTEA NOT NULL,
  PRIMARY KEY (home, cluster_id, name)
);
