-- replaces: 0010_not_enforced
-- works with: 0007_cidr_groups
-- How far a cluster's events for third parties have been published (docs/events.md): the last event, how many its
-- revision has, its batch, and as which message of which stream it is stored. Read only when that stream is empty.

CREATE TABLE IF NOT EXISTS event_cursors (
  home INT2 NOT NULL,
  cluster_id INT8 NOT NULL,
  event TEXT NOT NULL,
  changes INT8 NOT NULL,
  batch UUID NOT NULL,
  sequence INT8 NOT NULL,
  stream TEXT NOT NULL,
  written_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (home, cluster_id)
);
