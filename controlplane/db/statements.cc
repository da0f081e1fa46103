#include "controlplane/db/statements.h"

namespace trivium {
namespace sql {

const Statement kOpenCluster = {"open_cluster", R"(
INSERT INTO cluster_rev (home, cluster_id, name, epoch, revision, prev_batch, last_batch, digest, log_floor)
VALUES ($1::INT2, $2::INT8, $3::TEXT, 1, 0, $4::UUID, $4::UUID, $4::UUID, 0)
ON CONFLICT (home, cluster_id) DO NOTHING
)"};

const Statement kReadHead = {"read_head", R"(
SELECT epoch, revision, prev_batch, last_batch, digest, log_floor, name FROM cluster_rev
 WHERE home = $1::INT2 AND cluster_id = $2::INT8
)"};

const Statement kReadHeads = {"read_heads", R"(
SELECT name, epoch, revision, last_batch, digest, log_floor FROM cluster_rev
 WHERE home = $1::INT2 ORDER BY cluster_id
)"};

const Statement kAdvanceHead = {"advance_head", R"(
UPDATE cluster_rev SET revision = revision + 1, prev_batch = last_batch, last_batch = $3::UUID, digest = $4::UUID
 WHERE home = $1::INT2 AND cluster_id = $2::INT8
   AND epoch = $5::INT8 AND revision = $6::INT8 AND last_batch = $7::UUID
)"};

const Statement kInsertLog = {"insert_log", R"(
INSERT INTO change_log (home, cluster_id, revision, epoch, batch, prev_batch, changes, bytes, payload)
VALUES ($1::INT2, $2::INT8,
        (SELECT r.revision FROM cluster_rev AS r
          WHERE r.home = $1::INT2 AND r.cluster_id = $2::INT8 AND r.last_batch = $3::UUID),
        $4::INT8, $3::UUID, $5::UUID, $6::INT4, $7::INT8, $8::BYTEA)
)"};

// Before the endpoints' own rows change: what they refer to now is less by one each, what they will, more.
const Statement kMoveIdentityRefs = {"move_identity_refs", R"(
UPDATE identities SET refs = identities.refs + d.n, refs_changed_at = now()
  FROM (SELECT t.identity, sum(t.n)::INT8 AS n
          FROM (SELECT e.identity, -1 AS n FROM endpoints AS e
                 WHERE e.home = $1::INT2 AND e.cluster_id = $2::INT8 AND e.uid = ANY($3::UUID[])
                UNION ALL
                SELECT u.identity, 1 AS n FROM unnest($4::INT8[]) AS u(identity)) AS t
         GROUP BY t.identity HAVING sum(t.n) <> 0) AS d
 WHERE identities.home = $1::INT2 AND identities.cluster_id = $2::INT8 AND identities.id = d.identity
)"};

const Statement kRetireIdentities = {"retire_identities", R"(
INSERT INTO retired_identities (home, cluster_id, id, epoch, revision, label_text, body)
SELECT i.home, i.cluster_id, i.id, $4::INT8, $5::INT8, i.label_text, i.body
  FROM identities AS i
 WHERE i.home = $1::INT2 AND i.cluster_id = $2::INT8 AND i.id = ANY($3::INT8[])
ON CONFLICT (home, cluster_id, id) DO UPDATE SET
  epoch = excluded.epoch, revision = excluded.revision, label_text = excluded.label_text,
  retired_at = excluded.retired_at, body = excluded.body
)"};

const Statement kReviveIdentities = {"revive_identities", R"(
DELETE FROM retired_identities WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND id = ANY($3::INT8[])
)"};

const Statement kReadRetiredIdentities = {"read_retired_identities", R"(
SELECT epoch, revision, body FROM retired_identities
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY id
)"};

const Statement kReadConfirmed = {"read_confirmed", R"(
SELECT COALESCE(p.epoch, 0), COALESCE(p.enforced, 0), w.name, n.name
  FROM nodes AS n
  JOIN cluster_rev AS w ON w.home = n.home AND w.cluster_id = n.cluster_id
  LEFT JOIN agent_positions AS p
         ON p.home = n.home AND p.cluster_id = n.cluster_id AND p.node = n.name AND p.followed = $1::TEXT
 ORDER BY COALESCE(p.epoch, 0), COALESCE(p.enforced, 0), w.name, n.name LIMIT 1
)"};

const Statement kClaimAddresses = {"claim_addresses", R"(
INSERT INTO addresses (home, cluster_id, revision, space, ip, endpoint)
SELECT $1::INT2, $2::INT8, $3::INT8, u.space, u.ip, u.endpoint
  FROM unnest($4::INT8[], $5::INET[], $6::UUID[]) AS u(space, ip, endpoint)
ON CONFLICT (home, cluster_id, space, ip) DO UPDATE SET revision = excluded.revision, endpoint = excluded.endpoint
)"};

// What these endpoints had and have not just claimed again.
const Statement kReleaseAddresses = {"release_addresses", R"(
DELETE FROM addresses
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND endpoint = ANY($3::UUID[]) AND revision <> $4::INT8
)"};

const Statement kInsertRequests = {"insert_requests", R"(
INSERT INTO requests (home, cluster_id, revision, request_id, actor, result)
SELECT $1::INT2, $2::INT8, $3::INT8, u.request_id, u.actor, u.result
  FROM unnest($4::UUID[], $5::TEXT[], $6::BYTEA[]) AS u(request_id, actor, result)
ON CONFLICT (home, cluster_id, request_id, actor) DO NOTHING
)"};

const Statement kInsertAudit = {"insert_audit", R"(
INSERT INTO audit
  (home, cluster_id, revision, item, actor, source, request_id, verb, kind, key, manifest, accepted_at)
SELECT $1::INT2, $2::INT8, $3::INT8, u.item, u.actor, u.source, u.request_id, u.verb, u.kind, u.key, u.manifest,
       u.accepted_at
  FROM unnest($4::INT4[], $5::TEXT[], $6::TEXT[], $7::UUID[], $8::TEXT[], $9::TEXT[], $10::TEXT[], $11::TEXT[],
              $12::TIMESTAMPTZ[])
    AS u(item, actor, source, request_id, verb, kind, key, manifest, accepted_at)
)"};

const Statement kReadLog = {"read_log", R"(
SELECT l.revision, l.payload
  FROM (SELECT t.revision, t.bytes, sum(t.bytes) OVER (ORDER BY t.revision) AS total
          FROM (SELECT revision, bytes FROM change_log
                 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND revision > $3::INT8
                 ORDER BY revision LIMIT $4::INT8) AS t) AS s
  JOIN change_log AS l ON l.home = $1::INT2 AND l.cluster_id = $2::INT8 AND l.revision = s.revision
 WHERE s.total <= $5::INT8 OR s.total = s.bytes
 ORDER BY l.revision
)"};

const Statement kReadLogBatch = {"read_log_batch", R"(
SELECT batch FROM change_log WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND revision = $3::INT8
)"};

const Statement kFindRequest = {"find_request", R"(
SELECT result FROM requests
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND request_id = $3::UUID AND actor = $4::TEXT
)"};

const Statement kUpsertAgents = {"upsert_agents", R"(
INSERT INTO agents
  (home, cluster_id, node, version, protocol_version, boot_id, start_ms, sequence, reported_at, received_at, endpoints,
   maps, drops, not_enforced, not_enforced_total)
SELECT $1::INT2, $2::INT8, u.node, u.version, u.protocol_version, u.boot_id, u.start_ms, u.sequence, u.reported_at,
       now(), u.endpoints, u.maps::JSONB, u.drops::JSONB, u.not_enforced::JSONB, u.not_enforced_total
  FROM unnest($3::TEXT[], $4::TEXT[], $5::INT8[], $6::TEXT[], $7::INT8[], $8::INT8[], $9::TIMESTAMPTZ[], $10::INT8[],
              $11::TEXT[], $12::TEXT[], $13::TEXT[], $14::INT8[])
    AS u(node, version, protocol_version, boot_id, start_ms, sequence, reported_at, endpoints, maps, drops,
         not_enforced, not_enforced_total)
ON CONFLICT (home, cluster_id, node) DO UPDATE SET
  version = excluded.version, protocol_version = excluded.protocol_version, boot_id = excluded.boot_id,
  start_ms = excluded.start_ms, sequence = excluded.sequence, reported_at = excluded.reported_at,
  received_at = excluded.received_at, endpoints = excluded.endpoints, maps = excluded.maps, drops = excluded.drops,
  not_enforced = excluded.not_enforced, not_enforced_total = excluded.not_enforced_total
 WHERE (agents.start_ms, agents.sequence) <= (excluded.start_ms, excluded.sequence)
)"};

const Statement kUpsertAgentPositions = {"upsert_agent_positions", R"(
INSERT INTO agent_positions
  (home, cluster_id, node, followed, start_ms, sequence, epoch, received, enforced, batch, problem)
SELECT $1::INT2, $2::INT8, u.node, u.followed, u.start_ms, u.sequence, u.epoch, u.received, u.enforced, u.batch,
       u.problem
  FROM unnest($3::TEXT[], $4::TEXT[], $5::INT8[], $6::INT8[], $7::INT8[], $8::INT8[], $9::INT8[], $10::UUID[],
              $11::TEXT[])
    AS u(node, followed, start_ms, sequence, epoch, received, enforced, batch, problem)
ON CONFLICT (home, cluster_id, node, followed) DO UPDATE SET
  start_ms = excluded.start_ms, sequence = excluded.sequence, epoch = excluded.epoch, received = excluded.received,
  enforced = excluded.enforced, batch = excluded.batch, problem = excluded.problem
 WHERE (agent_positions.start_ms, agent_positions.sequence) <= (excluded.start_ms, excluded.sequence)
)"};

const Statement kDeleteOldAgentPositions = {"delete_old_agent_positions", R"(
DELETE FROM agent_positions AS p
 WHERE p.home = $1::INT2 AND p.cluster_id = $2::INT8 AND p.node = ANY($3::TEXT[])
   AND EXISTS (SELECT 1 FROM agents AS a
                WHERE a.home = $1::INT2 AND a.cluster_id = $2::INT8 AND a.node = p.node
                  AND (a.start_ms, a.sequence) <> (p.start_ms, p.sequence))
)"};

const Statement kDeleteAgents = {"delete_agents", R"(
DELETE FROM agents WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND node = ANY($3::TEXT[])
)"};

const Statement kDeleteAgentPositions = {"delete_agent_positions", R"(
DELETE FROM agent_positions WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND node = ANY($3::TEXT[])
)"};

// A lease that is over is anybody's; now() is the same for a whole transaction, whenever it gets the row.
const Statement kHoldLeases = {"hold_leases", R"(
INSERT INTO writer_leases (home, cluster_id, holder, fence, expires_at)
SELECT $1::INT2, u.cluster_id, $3::TEXT, 1, now() + $4::INT8 * INTERVAL '1 millisecond'
  FROM unnest($2::INT8[]) AS u(cluster_id)
ON CONFLICT (home, cluster_id) DO UPDATE SET
  fence = writer_leases.fence + CASE WHEN writer_leases.holder = excluded.holder THEN 0 ELSE 1 END,
  holder = excluded.holder, expires_at = excluded.expires_at
 WHERE writer_leases.holder = excluded.holder OR writer_leases.expires_at <= now()
)"};

const Statement kReadLeases = {"read_leases", R"(
SELECT cluster_id, holder, fence, (extract(epoch FROM expires_at - now()) * 1000)::INT8 FROM writer_leases
 WHERE home = $1::INT2 AND cluster_id = ANY($2::INT8[]) ORDER BY cluster_id
)"};

const Statement kReleaseLeases = {"release_leases", R"(
UPDATE writer_leases SET expires_at = now()
 WHERE home = $1::INT2 AND cluster_id = ANY($2::INT8[]) AND holder = $3::TEXT AND expires_at > now()
)"};

const Statement kReadEventCursor = {"read_event_cursor", R"(
SELECT event, changes, batch, sequence, stream FROM event_cursors
 WHERE home = $1::INT2 AND cluster_id = $2::INT8)"};

// Of one stream it never goes back; another stream begins where it begins.
const Statement kWriteEventCursor = {"write_event_cursor", R"(
INSERT INTO event_cursors (home, cluster_id, event, changes, batch, sequence, stream)
VALUES ($1::INT2, $2::INT8, $3::TEXT, $4::INT8, $5::UUID, $6::INT8, $7::TEXT)
ON CONFLICT (home, cluster_id) DO UPDATE SET
  event = excluded.event, changes = excluded.changes, batch = excluded.batch, sequence = excluded.sequence,
  stream = excluded.stream, written_at = now()
 WHERE event_cursors.stream <> excluded.stream OR event_cursors.sequence < excluded.sequence)"};

const Statement kRaiseLogFloor = {"raise_log_floor", R"(
UPDATE cluster_rev SET log_floor = LEAST($3::INT8, revision)
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND log_floor < LEAST($3::INT8, revision)
)"};

const Statement kReadLogAges = {"read_log_ages", R"(
SELECT r.log_floor, r.revision, COALESCE(s.last, 0), COALESCE(s.first_young - 1, s.last, 0),
       COALESCE(s.first_kept - 1, s.last, 0), COALESCE(s.first, 0),
       CAST(now() - $3::INT8 * INTERVAL '1 millisecond' AS TEXT)
  FROM cluster_rev AS r,
       (SELECT min(t.revision) AS first, max(t.revision) AS last,
               min(CASE WHEN t.created_at > now() - $3::INT8 * INTERVAL '1 millisecond' THEN t.revision END)
                 AS first_young,
               min(CASE WHEN t.created_at > now() - $4::INT8 * INTERVAL '1 millisecond' THEN t.revision END)
                 AS first_kept
          FROM (SELECT revision, created_at FROM change_log
                 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY revision LIMIT $5::INT8) AS t) AS s
 WHERE r.home = $1::INT2 AND r.cluster_id = $2::INT8
)"};

const Statement kDeleteLogStep = {"delete_log_step", R"(
DELETE FROM change_log WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND revision IN (
  SELECT l.revision FROM change_log AS l
   WHERE l.home = $1::INT2 AND l.cluster_id = $2::INT8 AND l.revision <= $3::INT8
   ORDER BY l.revision LIMIT $4::INT8)
)"};

const Statement kDeleteRequestsStep = {"delete_requests_step", R"(
DELETE FROM requests WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND (request_id, actor) IN (
  SELECT q.request_id, q.actor FROM requests AS q
   WHERE q.home = $1::INT2 AND q.cluster_id = $2::INT8 AND q.revision <= $3::INT8 AND q.created_at < $4::TIMESTAMPTZ
   ORDER BY q.revision LIMIT $5::INT8)
)"};

const Statement kRaiseEpoch = {"raise_epoch", R"(
UPDATE cluster_rev SET epoch = GREATEST(epoch + 1, $3::INT8)
 WHERE home = $1::INT2 AND cluster_id = $2::INT8
RETURNING epoch, revision, prev_batch, last_batch, digest, log_floor, name
)"};

const Statement kSetDigest = {"set_digest", R"(
UPDATE cluster_rev SET digest = $3::UUID WHERE home = $1::INT2 AND cluster_id = $2::INT8
)"};

const Statement kAuditEpoch = {"audit_epoch", R"(
INSERT INTO audit
  (home, cluster_id, revision, item, actor, source, request_id, verb, kind, key, manifest, accepted_at)
SELECT $1::INT2, $2::INT8, $3::INT8, COALESCE(max(a.item) + 1, 0), $4::TEXT, $5::TEXT, $6::UUID, $7::TEXT, $8::TEXT,
       $9::TEXT, $10::TEXT, $11::TIMESTAMPTZ
  FROM audit AS a WHERE a.home = $1::INT2 AND a.cluster_id = $2::INT8 AND a.revision = $3::INT8
)"};

const Statement kCreateSchemaMigrations = {"create_schema_migrations", R"(
CREATE TABLE IF NOT EXISTS schema_migrations (
  number INT8 NOT NULL,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  applied_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  PRIMARY KEY (number)
)
)"};

const Statement kCreateSchemaLock = {"create_schema_lock", R"(
CREATE TABLE IF NOT EXISTS schema_lock (
  id INT2 NOT NULL,
  holder TEXT NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (id)
)
)"};

const Statement kInsertSchemaLock = {"insert_schema_lock", R"(
INSERT INTO schema_lock (id, holder, expires_at) VALUES (1, '', now()) ON CONFLICT (id) DO NOTHING
)"};

const Statement kTakeSchemaLock = {"take_schema_lock", R"(
UPDATE schema_lock SET holder = $1::TEXT, expires_at = now() + $2::INT8 * INTERVAL '1 millisecond'
 WHERE id = 1 AND (holder = $1::TEXT OR expires_at < now())
)"};

const Statement kReleaseSchemaLock = {"release_schema_lock", R"(
UPDATE schema_lock SET expires_at = now() WHERE id = 1 AND holder = $1::TEXT
)"};

const Statement kCreateSchemaWorksWith = {"create_schema_works_with", R"(
CREATE TABLE IF NOT EXISTS schema_works_with (
  number INT8 NOT NULL,
  works_with INT8 NOT NULL,
  PRIMARY KEY (number)
)
)"};

const Statement kReadSchemaMigrations = {"read_schema_migrations", R"(
SELECT m.number, m.name, m.checksum, COALESCE(w.works_with, m.number)
  FROM schema_migrations AS m LEFT JOIN schema_works_with AS w ON w.number = m.number
 ORDER BY m.number
)"};

const Statement kRecordSchemaMigration = {"record_schema_migration", R"(
INSERT INTO schema_migrations (number, name, checksum) VALUES ($1::INT8, $2::TEXT, $3::TEXT)
)"};

const Statement kRecordWorksWith = {"record_works_with", R"(
INSERT INTO schema_works_with (number, works_with) VALUES ($1::INT8, $2::INT8)
ON CONFLICT (number) DO UPDATE SET works_with = excluded.works_with
)"};

const char kAnalyze[] =
    "ANALYZE endpoints, addresses, identities, requests, change_log, audit, policies, nodes, namespaces, "
    "backends, "
    "services";

const std::vector<const Statement*>& OfMigrations() {
  static const auto* const all = new std::vector<const Statement*>{
      &kCreateSchemaMigrations, &kCreateSchemaLock,      &kInsertSchemaLock,
      &kTakeSchemaLock,         &kReleaseSchemaLock,     &kReadSchemaMigrations,
      &kRecordSchemaMigration,  &kCreateSchemaWorksWith, &kRecordWorksWith,
  };
  return *all;
}

const std::vector<const Statement*>& All() {
  static const auto* const all = new std::vector<const Statement*>{
      &kOpenCluster,
      &kReadHead,
      &kReadHeads,
      &kAdvanceHead,
      &kInsertLog,
      &kMoveIdentityRefs,
      &kRetireIdentities,
      &kReviveIdentities,
      &kReadRetiredIdentities,
      &kReadConfirmed,
      &kReleaseAddresses,
      &kClaimAddresses,
      &kInsertRequests,
      &kInsertAudit,
      &kReadLog,
      &kReadLogBatch,
      &kFindRequest,
      &kUpsertAgents,
      &kUpsertAgentPositions,
      &kDeleteOldAgentPositions,
      &kDeleteAgents,
      &kDeleteAgentPositions,
      &kOpenReachability,
      &kReadReachabilityState,
      &kAdvanceReachability,
      &kDeleteReachabilityOf,
      &kDeleteReachabilityAbout,
      &kDeleteReachabilityBesides,
      &kDeleteSelectionsOf,
      &kDeleteSelectionsBesides,
      &kInsertReachability,
      &kInsertSelections,
      &kHoldLeases,
      &kReadLeases,
      &kReleaseLeases,
      &kReadEventCursor,
      &kWriteEventCursor,
      &kReadLogAges,
      &kRaiseLogFloor,
      &kDeleteLogStep,
      &kDeleteRequestsStep,
      &kRaiseEpoch,
      &kSetDigest,
      &kAuditEpoch,
      &kUpsertRegions,
      &kDeleteRegions,
      &kReadRegions,
      &kReadRegionManifest,
      &kUpsertClusters,
      &kDeleteClusters,
      &kReadClusters,
      &kReadClusterManifest,
      &kUpsertIdentityBlocks,
      &kDeleteIdentityBlocks,
      &kReadIdentityBlocks,
      &kUpsertCidrGroups,
      &kDeleteCidrGroups,
      &kReadCidrGroups,
      &kReadCidrGroupManifest,
      &kUpsertNodes,
      &kDeleteNodes,
      &kReadNodes,
      &kReadNodeManifest,
      &kUpsertNamespaces,
      &kDeleteNamespaces,
      &kReadNamespaces,
      &kReadNamespaceManifest,
      &kUpsertIdentities,
      &kDeleteIdentities,
      &kReadIdentities,
      &kUpsertEndpoints,
      &kDeleteEndpoints,
      &kReadEndpoints,
      &kUpsertServices,
      &kDeleteServices,
      &kReadServices,
      &kReadServiceManifest,
      &kUpsertBackends,
      &kDeleteBackends,
      &kReadBackends,
      &kUpsertPolicies,
      &kDeletePolicies,
      &kReadPolicies,
      &kReadPolicyManifest,
      &kUpsertLiveness,
      &kDeleteLiveness,
      &kReadLiveness,
  };
  return *all;
}

}  // namespace sql
}  // namespace trivium
