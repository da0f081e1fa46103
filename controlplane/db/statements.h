// Every statement that the product runs, by name: nothing is composed at run time. All are prepared when a
// connection opens, read by tests/db/dialect_lint_test.cc, and keep to what CockroachDB and PostgreSQL have
// in common (docs/cockroachdb.md). $1 is the home region's number and $2 the cluster's in all of them but
// those that say otherwise.
#pragma once

#include <vector>

namespace trivium {

struct Statement {
  const char* name;  // unique; also the prepared statement's
  const char* sql;
};

namespace sql {

// The head, the log and what goes with it.
extern const Statement kOpenCluster;
extern const Statement kReadHead;
// $1 alone.
extern const Statement kReadHeads;
// The compare-and-set, first statement of every commit.
extern const Statement kAdvanceHead;
// The second: its revision is NULL, and everything aborts, if the first did not find the head where it was
// expected.
extern const Statement kInsertLog;
// Before the endpoints $3 change, and refer to the identities $4 (one for each that stays).
extern const Statement kMoveIdentityRefs;
extern const Statement kClaimAddresses;
// The addresses that the endpoints $3 still own and have not claimed in revision $4.
extern const Statement kReleaseAddresses;
// Before the identities $3 are deleted at epoch $4 and revision $5: their numbers stay taken.
extern const Statement kRetireIdentities;
// The identities $3 are there (again).
extern const Statement kReviveIdentities;
extern const Statement kReadRetiredIdentities;
// How far the least advanced of all nodes of the mesh is in the history of the cluster named $1, which node
// that is, and whose; $1 alone.
extern const Statement kReadConfirmed;
extern const Statement kInsertRequests;
extern const Statement kInsertAudit;
extern const Statement kReadLog;
extern const Statement kReadLogBatch;
extern const Statement kFindRequest;

// Agents' reports.
extern const Statement kUpsertAgents;
extern const Statement kUpsertAgentPositions;
extern const Statement kDeleteOldAgentPositions;
extern const Statement kDeleteAgents;
extern const Statement kDeleteAgentPositions;

// Reachability (reachability_statements.cc).
extern const Statement kOpenReachability;
extern const Statement kReadReachabilityState;
// The compare-and-set, first statement of every write: $3 writes came before, and none of a later position.
extern const Statement kAdvanceReachability;
// What the identities $3 have: all of it, or what is about the peers $4; and what all others have.
extern const Statement kDeleteReachabilityOf;
extern const Statement kDeleteReachabilityAbout;
extern const Statement kDeleteReachabilityBesides;
extern const Statement kDeleteSelectionsOf;
extern const Statement kDeleteSelectionsBesides;
extern const Statement kInsertReachability;
extern const Statement kInsertSelections;

// Writer leases, of the clusters $2 of one home.
extern const Statement kHoldLeases;
extern const Statement kReadLeases;
extern const Statement kReleaseLeases;

// How far events have been published.
extern const Statement kReadEventCursor;
extern const Statement kWriteEventCursor;

// Compaction and epochs.
// Of the first $5 revisions that the log holds: the first and the last, up to which one all are older than $3
// ms, and than $4 ms; beside floor, head, and what the time was $3 ms ago.
extern const Statement kReadLogAges;
extern const Statement kRaiseLogFloor;
extern const Statement kDeleteLogStep;
extern const Statement kDeleteRequestsStep;
extern const Statement kRaiseEpoch;
extern const Statement kSetDigest;
// Beside what the revision's own requests left there.
extern const Statement kAuditEpoch;

// The object tables (object_statements.cc).
extern const Statement kUpsertRegions;
extern const Statement kDeleteRegions;
extern const Statement kReadRegions;
extern const Statement kReadRegionManifest;
extern const Statement kUpsertClusters;
extern const Statement kDeleteClusters;
extern const Statement kReadClusters;
extern const Statement kReadClusterManifest;
extern const Statement kUpsertIdentityBlocks;
extern const Statement kDeleteIdentityBlocks;
extern const Statement kReadIdentityBlocks;
extern const Statement kUpsertCidrGroups;
extern const Statement kDeleteCidrGroups;
extern const Statement kReadCidrGroups;
extern const Statement kReadCidrGroupManifest;
extern const Statement kUpsertNodes;
extern const Statement kDeleteNodes;
extern const Statement kReadNodes;
extern const Statement kReadNodeManifest;
extern const Statement kUpsertNamespaces;
extern const Statement kDeleteNamespaces;
extern const Statement kReadNamespaces;
extern const Statement kReadNamespaceManifest;
extern const Statement kUpsertIdentities;
extern const Statement kDeleteIdentities;
extern const Statement kReadIdentities;
extern const Statement kUpsertEndpoints;
extern const Statement kDeleteEndpoints;
extern const Statement kReadEndpoints;
extern const Statement kUpsertServices;
extern const Statement kDeleteServices;
extern const Statement kReadServices;
extern const Statement kReadServiceManifest;
extern const Statement kUpsertBackends;
extern const Statement kDeleteBackends;
extern const Statement kReadBackends;
extern const Statement kUpsertPolicies;
extern const Statement kDeletePolicies;
extern const Statement kReadPolicies;
extern const Statement kReadPolicyManifest;
extern const Statement kUpsertLiveness;
extern const Statement kDeleteLiveness;
extern const Statement kReadLiveness;

// The migrator's own (migrate/migrator.h): run unprepared, since their tables may not be there yet; their
// parameters are numbered from $1 alone.
extern const Statement kCreateSchemaMigrations;
extern const Statement kCreateSchemaWorksWith;
extern const Statement kCreateSchemaLock;
extern const Statement kInsertSchemaLock;
extern const Statement kTakeSchemaLock;
extern const Statement kReleaseSchemaLock;
extern const Statement kReadSchemaMigrations;
extern const Statement kRecordSchemaMigration;
extern const Statement kRecordWorksWith;

// Of PostgreSQL alone, unprepared (store/table_statistics.h); CockroachDB looks at its tables by itself.
extern const char kAnalyze[];

// What each connection of the store prepares: all of the above but the migrator's.
const std::vector<const Statement*>& All();
const std::vector<const Statement*>& OfMigrations();

}  // namespace sql
}  // namespace trivium
