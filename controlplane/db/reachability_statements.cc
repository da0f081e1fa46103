// The statements of controlplane/store/reachability_rows.cc.
#include "controlplane/db/statements.h"

namespace trivium {
namespace sql {

const Statement kOpenReachability = {"open_reachability", R"(
INSERT INTO reachability_state (home, cluster_id) VALUES ($1::INT2, $2::INT8)
ON CONFLICT (home, cluster_id) DO NOTHING
)"};

const Statement kReadReachabilityState = {"read_reachability_state", R"(
SELECT writes, complete, positions::TEXT, rows_held, problem, writer FROM reachability_state
 WHERE home = $1::INT2 AND cluster_id = $2::INT8
)"};

const Statement kAdvanceReachability = {"advance_reachability", R"(
UPDATE reachability_state
   SET writes = writes + 1, complete = $4::BOOL, epoch = $5::INT8, revision = $6::INT8, positions = $7::TEXT::JSONB,
       rows_held = $8::INT8, problem = $9::TEXT, writer = $10::TEXT, written_at = now()
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND writes = $3::INT8 AND (epoch, revision) <= ($5::INT8, $6::INT8)
)"};

const Statement kDeleteReachabilityOf = {"delete_reachability_of", R"(
DELETE FROM reachability WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND identity = ANY($3::INT8[])
)"};

const Statement kDeleteReachabilityAbout = {"delete_reachability_about", R"(
DELETE FROM reachability
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND identity = ANY($3::INT8[]) AND peer = ANY($4::INT8[])
)"};

const Statement kDeleteReachabilityBesides = {"delete_reachability_besides", R"(
DELETE FROM reachability WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND identity <> ALL($3::INT8[])
)"};

const Statement kDeleteSelectionsOf = {"delete_selections_of", R"(
DELETE FROM policy_selections WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND identity = ANY($3::INT8[])
)"};

const Statement kDeleteSelectionsBesides = {"delete_selections_besides", R"(
DELETE FROM policy_selections WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND identity <> ALL($3::INT8[])
)"};

const Statement kInsertReachability = {"insert_reachability", R"(
INSERT INTO reachability
  (home, cluster_id, epoch, revision, identity, peer, prefix, ingress, protocols, first_port, last_port, allowed, policy,
   origin, peer_home, peer_cluster_id)
SELECT $1::INT2, $2::INT8, $3::INT8, $4::INT8, u.identity, u.peer, u.prefix, u.ingress, u.protocols, u.first_port,
       u.last_port, u.allowed, u.policy, u.origin, u.peer_home, u.peer_cluster_id
  FROM unnest($5::INT8[], $6::INT8[], $7::TEXT[], $8::BOOL[], $9::INT2[], $10::INT4[], $11::INT4[], $12::BOOL[],
              $13::TEXT[], $14::TEXT[], $15::INT2[], $16::INT8[])
    AS u(identity, peer, prefix, ingress, protocols, first_port, last_port, allowed, policy, origin, peer_home,
         peer_cluster_id)
)"};

const Statement kInsertSelections = {"insert_selections", R"(
INSERT INTO policy_selections
  (home, cluster_id, epoch, revision, identity, kind, namespace, name, closes_ingress, closes_egress)
SELECT $1::INT2, $2::INT8, $3::INT8, $4::INT8, u.identity, u.kind, u.namespace, u.name, u.closes_ingress,
       u.closes_egress
  FROM unnest($5::INT8[], $6::TEXT[], $7::TEXT[], $8::TEXT[], $9::BOOL[], $10::BOOL[])
    AS u(identity, kind, namespace, name, closes_ingress, closes_egress)
)"};

}  // namespace sql
}  // namespace trivium
