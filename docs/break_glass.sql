-- Changes a cluster's rows by hand, when no control plane can: see docs/epochs.md before you use it.
--
--   psql -v cluster=aws-euw2 -v reason='a policy locked us out' \
--        -v change="DELETE FROM policies WHERE namespace = 'shop' AND name = 'lockout'" -f docs/break_glass.sql
--
-- `change` is one statement, of one cluster's rows. What it does, the new epoch and the audit row are one transaction:
-- the first statement takes the row that every commit of the cluster moves, so that none comes in between.
\set ON_ERROR_STOP on

BEGIN;

-- The digest that means "not known": the first control plane that sees it computes it from what is there, and begins one
-- more epoch with that.
UPDATE cluster_rev
   SET epoch = GREATEST(epoch + 1, CAST(extract(epoch FROM now()) AS INT8)),
       digest = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
 WHERE name = :'cluster'
RETURNING name, epoch, revision;

:change;

INSERT INTO audit
  (home, cluster_id, revision, item, actor, source, request_id, verb, kind, key, manifest, accepted_at)
SELECT r.home, r.cluster_id, r.revision,
       COALESCE((SELECT max(a.item) + 1 FROM audit AS a
                  WHERE a.home = r.home AND a.cluster_id = r.cluster_id AND a.revision = r.revision), 0),
       'sql:' || current_user, 'break_glass.sql', '00000000-0000-0000-0000-000000000000', 'break-glass', 'Cluster', r.name,
       :'reason', now()
  FROM cluster_rev AS r WHERE r.name = :'cluster';

COMMIT;
