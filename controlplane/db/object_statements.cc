#include "controlplane/db/statements.h"

// The statements of the object tables. Rows travel as arrays, one per column, in the order of the list after
// `AS u`; store/object_rows.cc fills them in that order. Lists of addresses and JSON travel as TEXT and are
// cast row by row.

namespace trivium {
namespace sql {

const Statement kUpsertRegions = {"upsert_regions", R"(
INSERT INTO regions
  (home, cluster_id, revision, name, uid, generation, number, manifest, body)
SELECT
  $1::INT2, $2::INT8, $3::INT8, u.name, u.uid, u.generation, u.number, u.manifest, u.body
FROM unnest(
  $4::TEXT[], $5::UUID[], $6::INT8[], $7::INT2[], $8::TEXT[], $9::BYTEA[]
) AS u(
  name, uid, generation, number, manifest, body)
ON CONFLICT (home, cluster_id, name) DO UPDATE SET
  revision = excluded.revision, uid = excluded.uid, generation = excluded.generation,
  number = excluded.number,
  manifest = CASE WHEN excluded.manifest = '' THEN regions.manifest ELSE excluded.manifest END,
  body = excluded.body
)"};

const Statement kDeleteRegions = {"delete_regions", R"(
DELETE FROM regions WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND name = ANY($3::TEXT[])
)"};

const Statement kReadRegions = {"read_regions", R"(
SELECT revision, body FROM regions
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY name
)"};

const Statement kReadRegionManifest = {"read_region_manifest", R"(
SELECT manifest FROM regions
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND name = $3::TEXT
)"};

const Statement kUpsertClusters = {"upsert_clusters", R"(
INSERT INTO clusters
  (home, cluster_id, revision, name, uid, generation, number, region, address_space, pod_cidrs, manifest,
  body)
SELECT
  $1::INT2, $2::INT8, $3::INT8, u.name, u.uid, u.generation, u.number, u.region, u.address_space,
  u.pod_cidrs::INET[], u.manifest, u.body
FROM unnest(
  $4::TEXT[], $5::UUID[], $6::INT8[], $7::INT8[], $8::TEXT[], $9::INT8[], $10::TEXT[], $11::TEXT[],
  $12::BYTEA[]
) AS u(
  name, uid, generation, number, region, address_space, pod_cidrs, manifest, body)
ON CONFLICT (home, cluster_id, name) DO UPDATE SET
  revision = excluded.revision, uid = excluded.uid, generation = excluded.generation,
  number = excluded.number, region = excluded.region, address_space = excluded.address_space,
  pod_cidrs = excluded.pod_cidrs,
  manifest = CASE WHEN excluded.manifest = '' THEN clusters.manifest ELSE excluded.manifest END,
  body = excluded.body
)"};

const Statement kDeleteClusters = {"delete_clusters", R"(
DELETE FROM clusters WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND name = ANY($3::TEXT[])
)"};

const Statement kReadClusters = {"read_clusters", R"(
SELECT revision, body FROM clusters
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY name
)"};

const Statement kReadClusterManifest = {"read_cluster_manifest", R"(
SELECT manifest FROM clusters
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND name = $3::TEXT
)"};

const Statement kUpsertIdentityBlocks = {"upsert_identity_blocks", R"(
INSERT INTO identity_blocks
  (home, cluster_id, revision, first, uid, generation, size, owner_cluster, body)
SELECT
  $1::INT2, $2::INT8, $3::INT8, u.first, u.uid, u.generation, u.size, u.owner_cluster, u.body
FROM unnest(
  $4::INT8[], $5::UUID[], $6::INT8[], $7::INT8[], $8::INT8[], $9::BYTEA[]
) AS u(
  first, uid, generation, size, owner_cluster, body)
ON CONFLICT (home, cluster_id, first) DO UPDATE SET
  revision = excluded.revision, uid = excluded.uid, generation = excluded.generation,
  size = excluded.size, owner_cluster = excluded.owner_cluster, body = excluded.body
)"};

const Statement kDeleteIdentityBlocks = {"delete_identity_blocks", R"(
DELETE FROM identity_blocks WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND first = ANY($3::INT8[])
)"};

const Statement kReadIdentityBlocks = {"read_identity_blocks", R"(
SELECT revision, body FROM identity_blocks
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY first
)"};

const Statement kUpsertCidrGroups = {"upsert_cidr_groups", R"(
INSERT INTO cidr_groups
  (home, cluster_id, revision, name, uid, generation, cidrs, manifest, body)
SELECT
  $1::INT2, $2::INT8, $3::INT8, u.name, u.uid, u.generation, u.cidrs::INET[], u.manifest, u.body
FROM unnest(
  $4::TEXT[], $5::UUID[], $6::INT8[], $7::TEXT[], $8::TEXT[], $9::BYTEA[]
) AS u(
  name, uid, generation, cidrs, manifest, body)
ON CONFLICT (home, cluster_id, name) DO UPDATE SET
  revision = excluded.revision, uid = excluded.uid, generation = excluded.generation,
  cidrs = excluded.cidrs,
  manifest = CASE WHEN excluded.manifest = '' THEN cidr_groups.manifest ELSE excluded.manifest END,
  body = excluded.body
)"};

const Statement kDeleteCidrGroups = {"delete_cidr_groups", R"(
DELETE FROM cidr_groups WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND name = ANY($3::TEXT[])
)"};

const Statement kReadCidrGroups = {"read_cidr_groups", R"(
SELECT revision, body FROM cidr_groups
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY name
)"};

const Statement kReadCidrGroupManifest = {"read_cidr_group_manifest", R"(
SELECT manifest FROM cidr_groups
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND name = $3::TEXT
)"};

const Statement kUpsertNodes = {"upsert_nodes", R"(
INSERT INTO nodes
  (home, cluster_id, revision, name, uid, generation, number, addresses, inner_addresses, pod_cidrs,
  zone, boot_id, public_key, key_id, protocol_version, mtu, manifest, body)
SELECT
  $1::INT2, $2::INT8, $3::INT8, u.name, u.uid, u.generation, u.number, u.addresses::INET[],
  u.inner_addresses::INET[], u.pod_cidrs::INET[], u.zone, u.boot_id, u.public_key, u.key_id,
  u.protocol_version, u.mtu, u.manifest, u.body
FROM unnest(
  $4::TEXT[], $5::UUID[], $6::INT8[], $7::INT8[], $8::TEXT[], $9::TEXT[], $10::TEXT[], $11::TEXT[],
  $12::TEXT[], $13::BYTEA[], $14::INT8[], $15::INT8[], $16::INT8[], $17::TEXT[], $18::BYTEA[]
) AS u(
  name, uid, generation, number, addresses, inner_addresses, pod_cidrs, zone, boot_id, public_key,
  key_id, protocol_version, mtu, manifest, body)
ON CONFLICT (home, cluster_id, name) DO UPDATE SET
  revision = excluded.revision, uid = excluded.uid, generation = excluded.generation,
  number = excluded.number, addresses = excluded.addresses, inner_addresses = excluded.inner_addresses,
  pod_cidrs = excluded.pod_cidrs, zone = excluded.zone, boot_id = excluded.boot_id,
  public_key = excluded.public_key, key_id = excluded.key_id,
  protocol_version = excluded.protocol_version, mtu = excluded.mtu,
  manifest = CASE WHEN excluded.manifest = '' THEN nodes.manifest ELSE excluded.manifest END,
  body = excluded.body
)"};

const Statement kDeleteNodes = {"delete_nodes", R"(
DELETE FROM nodes WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND name = ANY($3::TEXT[])
)"};

const Statement kReadNodes = {"read_nodes", R"(
SELECT revision, body FROM nodes
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY name
)"};

const Statement kReadNodeManifest = {"read_node_manifest", R"(
SELECT manifest FROM nodes
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND name = $3::TEXT
)"};

const Statement kUpsertNamespaces = {"upsert_namespaces", R"(
INSERT INTO namespaces
  (home, cluster_id, revision, name, uid, generation, labels, manifest, body)
SELECT
  $1::INT2, $2::INT8, $3::INT8, u.name, u.uid, u.generation, u.labels::JSONB, u.manifest, u.body
FROM unnest(
  $4::TEXT[], $5::UUID[], $6::INT8[], $7::TEXT[], $8::TEXT[], $9::BYTEA[]
) AS u(
  name, uid, generation, labels, manifest, body)
ON CONFLICT (home, cluster_id, name) DO UPDATE SET
  revision = excluded.revision, uid = excluded.uid, generation = excluded.generation,
  labels = excluded.labels,
  manifest = CASE WHEN excluded.manifest = '' THEN namespaces.manifest ELSE excluded.manifest END,
  body = excluded.body
)"};

const Statement kDeleteNamespaces = {"delete_namespaces", R"(
DELETE FROM namespaces WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND name = ANY($3::TEXT[])
)"};

const Statement kReadNamespaces = {"read_namespaces", R"(
SELECT revision, body FROM namespaces
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY name
)"};

const Statement kReadNamespaceManifest = {"read_namespace_manifest", R"(
SELECT manifest FROM namespaces
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND name = $3::TEXT
)"};

const Statement kUpsertIdentities = {"upsert_identities", R"(
INSERT INTO identities
  (home, cluster_id, revision, id, uid, generation, labels, label_text, label_hash, named_ports, body)
SELECT
  $1::INT2, $2::INT8, $3::INT8, u.id, u.uid, u.generation, u.labels::JSONB, u.label_text, u.label_hash,
  u.named_ports, u.body
FROM unnest(
  $4::INT8[], $5::UUID[], $6::INT8[], $7::TEXT[], $8::TEXT[], $9::UUID[], $10::TEXT[], $11::BYTEA[]
) AS u(
  id, uid, generation, labels, label_text, label_hash, named_ports, body)
ON CONFLICT (home, cluster_id, id) DO UPDATE SET
  revision = excluded.revision, uid = excluded.uid, generation = excluded.generation,
  labels = excluded.labels, label_text = excluded.label_text, label_hash = excluded.label_hash,
  named_ports = excluded.named_ports, body = excluded.body
)"};

const Statement kDeleteIdentities = {"delete_identities", R"(
DELETE FROM identities WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND id = ANY($3::INT8[])
)"};

const Statement kReadIdentities = {"read_identities", R"(
SELECT revision, body FROM identities
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY id
)"};

const Statement kUpsertEndpoints = {"upsert_endpoints", R"(
INSERT INTO endpoints
  (home, cluster_id, revision, uid, generation, namespace, name, node, identity, body)
SELECT
  $1::INT2, $2::INT8, $3::INT8, u.uid, u.generation, u.namespace, u.name, u.node, u.identity, u.body
FROM unnest(
  $4::UUID[], $5::INT8[], $6::TEXT[], $7::TEXT[], $8::INT8[], $9::INT8[], $10::BYTEA[]
) AS u(
  uid, generation, namespace, name, node, identity, body)
ON CONFLICT (home, cluster_id, uid) DO UPDATE SET
  revision = excluded.revision, generation = excluded.generation, namespace = excluded.namespace,
  name = excluded.name, node = excluded.node, identity = excluded.identity, body = excluded.body
)"};

const Statement kDeleteEndpoints = {"delete_endpoints", R"(
DELETE FROM endpoints WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND uid = ANY($3::UUID[])
)"};

const Statement kReadEndpoints = {"read_endpoints", R"(
SELECT revision, body FROM endpoints
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY uid
)"};

const Statement kUpsertServices = {"upsert_services", R"(
INSERT INTO services
  (home, cluster_id, revision, namespace, name, uid, generation, cluster_ips, ports, is_global,
  is_shared, affinity, manifest, body)
SELECT
  $1::INT2, $2::INT8, $3::INT8, u.namespace, u.name, u.uid, u.generation, u.cluster_ips::INET[], u.ports,
  u.is_global, u.is_shared, u.affinity, u.manifest, u.body
FROM unnest(
  $4::TEXT[], $5::TEXT[], $6::UUID[], $7::INT8[], $8::TEXT[], $9::TEXT[], $10::BOOL[], $11::BOOL[],
  $12::TEXT[], $13::TEXT[], $14::BYTEA[]
) AS u(
  namespace, name, uid, generation, cluster_ips, ports, is_global, is_shared, affinity, manifest, body)
ON CONFLICT (home, cluster_id, namespace, name) DO UPDATE SET
  revision = excluded.revision, uid = excluded.uid, generation = excluded.generation,
  cluster_ips = excluded.cluster_ips, ports = excluded.ports, is_global = excluded.is_global,
  is_shared = excluded.is_shared, affinity = excluded.affinity,
  manifest = CASE WHEN excluded.manifest = '' THEN services.manifest ELSE excluded.manifest END,
  body = excluded.body
)"};

const Statement kDeleteServices = {"delete_services", R"(
DELETE FROM services WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND (namespace, name) IN (
  SELECT u.namespace, u.name FROM unnest($3::TEXT[], $4::TEXT[]) AS u(namespace, name))
)"};

const Statement kReadServices = {"read_services", R"(
SELECT revision, body FROM services
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY namespace, name
)"};

const Statement kReadServiceManifest = {"read_service_manifest", R"(
SELECT manifest FROM services
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND namespace = $3::TEXT AND name = $4::TEXT
)"};

const Statement kUpsertBackends = {"upsert_backends", R"(
INSERT INTO backends
  (home, cluster_id, revision, namespace, service, endpoint, port_name, uid, generation, ip, protocol,
  port, ready, terminating, weight, body)
SELECT
  $1::INT2, $2::INT8, $3::INT8, u.namespace, u.service, u.endpoint, u.port_name, u.uid, u.generation,
  u.ip, u.protocol, u.port, u.ready, u.terminating, u.weight, u.body
FROM unnest(
  $4::TEXT[], $5::TEXT[], $6::UUID[], $7::TEXT[], $8::UUID[], $9::INT8[], $10::INET[], $11::INT2[],
  $12::INT4[], $13::BOOL[], $14::BOOL[], $15::INT8[], $16::BYTEA[]
) AS u(
  namespace, service, endpoint, port_name, uid, generation, ip, protocol, port, ready, terminating,
  weight, body)
ON CONFLICT (home, cluster_id, namespace, service, endpoint, port_name) DO UPDATE SET
  revision = excluded.revision, uid = excluded.uid, generation = excluded.generation, ip = excluded.ip,
  protocol = excluded.protocol, port = excluded.port, ready = excluded.ready,
  terminating = excluded.terminating, weight = excluded.weight, body = excluded.body
)"};

const Statement kDeleteBackends = {"delete_backends", R"(
DELETE FROM backends WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND (namespace, service, endpoint, port_name) IN (
  SELECT u.namespace, u.service, u.endpoint, u.port_name FROM unnest($3::TEXT[], $4::TEXT[], $5::UUID[], $6::TEXT[]) AS u(namespace, service, endpoint, port_name))
)"};

const Statement kReadBackends = {"read_backends", R"(
SELECT revision, body FROM backends
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY namespace, service, endpoint, port_name
)"};

const Statement kUpsertPolicies = {"upsert_policies", R"(
INSERT INTO policies
  (home, cluster_id, revision, kind, namespace, name, uid, generation, tier, priority, ingress_rules,
  egress_rules, default_deny_ingress, default_deny_egress, manifest, body)
SELECT
  $1::INT2, $2::INT8, $3::INT8, u.kind, u.namespace, u.name, u.uid, u.generation, u.tier, u.priority,
  u.ingress_rules, u.egress_rules, u.default_deny_ingress, u.default_deny_egress, u.manifest, u.body
FROM unnest(
  $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::UUID[], $8::INT8[], $9::INT8[], $10::INT8[], $11::INT4[],
  $12::INT4[], $13::BOOL[], $14::BOOL[], $15::TEXT[], $16::BYTEA[]
) AS u(
  kind, namespace, name, uid, generation, tier, priority, ingress_rules, egress_rules,
  default_deny_ingress, default_deny_egress, manifest, body)
ON CONFLICT (home, cluster_id, kind, namespace, name) DO UPDATE SET
  revision = excluded.revision, uid = excluded.uid, generation = excluded.generation,
  tier = excluded.tier, priority = excluded.priority, ingress_rules = excluded.ingress_rules,
  egress_rules = excluded.egress_rules, default_deny_ingress = excluded.default_deny_ingress,
  default_deny_egress = excluded.default_deny_egress,
  manifest = CASE WHEN excluded.manifest = '' THEN policies.manifest ELSE excluded.manifest END,
  body = excluded.body
)"};

const Statement kDeletePolicies = {"delete_policies", R"(
DELETE FROM policies WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND (kind, namespace, name) IN (
  SELECT u.kind, u.namespace, u.name FROM unnest($3::TEXT[], $4::TEXT[], $5::TEXT[]) AS u(kind, namespace, name))
)"};

const Statement kReadPolicies = {"read_policies", R"(
SELECT revision, body FROM policies
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY kind, namespace, name
)"};

const Statement kReadPolicyManifest = {"read_policy_manifest", R"(
SELECT manifest FROM policies
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND kind = $3::TEXT AND namespace = $4::TEXT AND name = $5::TEXT
)"};

const Statement kUpsertLiveness = {"upsert_liveness", R"(
INSERT INTO liveness
  (home, cluster_id, revision, observed_cluster, observed_node, uid, generation, alive, body)
SELECT
  $1::INT2, $2::INT8, $3::INT8, u.observed_cluster, u.observed_node, u.uid, u.generation, u.alive, u.body
FROM unnest(
  $4::TEXT[], $5::TEXT[], $6::UUID[], $7::INT8[], $8::BOOL[], $9::BYTEA[]
) AS u(
  observed_cluster, observed_node, uid, generation, alive, body)
ON CONFLICT (home, cluster_id, observed_cluster, observed_node) DO UPDATE SET
  revision = excluded.revision, uid = excluded.uid, generation = excluded.generation,
  alive = excluded.alive, body = excluded.body
)"};

const Statement kDeleteLiveness = {"delete_liveness", R"(
DELETE FROM liveness WHERE home = $1::INT2 AND cluster_id = $2::INT8 AND (observed_cluster, observed_node) IN (
  SELECT u.observed_cluster, u.observed_node FROM unnest($3::TEXT[], $4::TEXT[]) AS u(observed_cluster, observed_node))
)"};

const Statement kReadLiveness = {"read_liveness", R"(
SELECT revision, body FROM liveness
 WHERE home = $1::INT2 AND cluster_id = $2::INT8 ORDER BY observed_cluster, observed_node
)"};

}  // namespace sql
}  // namespace trivium
