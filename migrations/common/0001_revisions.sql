-- replaces: nothing
-- The heart: one hot, narrow row per cluster, the log of its batches, and what is kept of the requests they answer.

CREATE TABLE IF NOT EXISTS cluster_rev (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  name TEXT NOT NULL,
  epoch INT8 NOT NULL,
  revision INT8 NOT NULL,
  prev_batch UUID NOT NULL,
  last_batch UUID NOT NULL,
  digest UUID NOT NULL,
  log_floor INT8 NOT NULL,
  PRIMARY KEY (home, cluster_id)
);

CREATE TABLE IF NOT EXISTS change_log (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  revision INT8 NOT NULL,
  epoch INT8 NOT NULL,
  batch UUID NOT NULL,
  prev_batch UUID NOT NULL,
  changes INT4 NOT NULL,
  bytes INT8 NOT NULL,
  payload BYTEA NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (home, cluster_id, revision)
);

CREATE TABLE IF NOT EXISTS requests (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  request_id UUID NOT NULL,
  actor TEXT NOT NULL,
  revision INT8 NOT NULL,
  result BYTEA NOT NULL,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (home, cluster_id, request_id, actor)
);

CREATE INDEX IF NOT EXISTS requests_by_revision ON requests (home, cluster_id, revision);

CREATE TABLE IF NOT EXISTS audit (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  revision INT8 NOT NULL,
  item INT4 NOT NULL,
  actor TEXT NOT NULL,
  source TEXT NOT NULL,
  request_id UUID NOT NULL,
  verb TEXT NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  manifest TEXT NOT NULL,
  accepted_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home, cluster_id, revision, item)
);

CREATE TABLE IF NOT EXISTS writer_leases (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  holder TEXT NOT NULL,
  fence INT8 NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (home, cluster_id)
);
