-- replaces: 0003_cluster_objects
-- What the agents say of themselves: never in the log, never an input of desired state. Of two reports the one with the
-- greater (start_ms, sequence) is newer. reported_at is by the agent's clock, received_at by the database's.

CREATE TABLE IF NOT EXISTS agents (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  node TEXT NOT NULL,
  version TEXT NOT NULL,
  protocol_version INT8 NOT NULL,
  boot_id TEXT NOT NULL,
  start_ms INT8 NOT NULL,
  sequence INT8 NOT NULL,
  reported_at TIMESTAMPTZ NOT NULL,
  received_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  endpoints INT8 NOT NULL,
  maps JSONB NOT NULL,
  drops JSONB NOT NULL,
  PRIMARY KEY (home, cluster_id, node)
);

-- How far an agent is in the history of each cluster that it follows.
CREATE TABLE IF NOT EXISTS agent_positions (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  node TEXT NOT NULL,
  followed TEXT NOT NULL,
  start_ms INT8 NOT NULL,
  sequence INT8 NOT NULL,
  epoch INT8 NOT NULL,
  received INT8 NOT NULL,
  enforced INT8 NOT NULL,
  batch UUID NOT NULL,
  problem TEXT NOT NULL,
  PRIMARY KEY (home, cluster_id, node, followed)
);
