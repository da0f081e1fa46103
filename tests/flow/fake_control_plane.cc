#include "tests/flow/fake_control_plane.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "policy/labels.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium {

FakeControlPlane::FakeControlPlane(std::string cluster, uint32_t cluster_id, Executor* executor,
                                   FakeBroker* broker)
    : cluster_(std::move(cluster)),
      cluster_id_(cluster_id),
      builder_(absl::StrCat("cp-", cluster_id_)),
      executor_(executor),
      bus_(broker->Connect(absl::StrCat(cluster_, ":cp:", builder_))),
      next_identity_(1000 * (cluster_id_ + 1)) {
  Replica empty(cluster_);
  v1::Snapshot start;
  *start.mutable_head() = empty.head();
  start.mutable_head()->set_epoch(epoch_);
  EXPECT_TRUE(empty.LoadSnapshot({start}).ok());
  states_.push_back(std::move(empty));
  auto serve = [this](const std::string& subject, void (FakeControlPlane::*handler)(const Message&)) {
    EXPECT_TRUE(bus_->Subscribe(subject, "", executor_,
                                [this, alive = alive_.Watch(), handler](Message message) {
                                  if (!alive.expired()) (this->*handler)(message);
                                })
                    .ok());
  };
  serve(subjects::Sync(cluster_, "*"), &FakeControlPlane::OnSync);
  serve(subjects::EveryChunk(builder_), &FakeControlPlane::OnChunk);
  serve(subjects::EveryApi(cluster_), &FakeControlPlane::OnApi);
}

void FakeControlPlane::Upsert(v1::Object object) {
  *staged_.add_changes()->mutable_object() = std::move(object);
}

void FakeControlPlane::Delete(v1::Kind kind, const std::string& key) {
  v1::Change* change = staged_.add_changes();
  change->set_op(v1::Change::DELETE);
  change->set_kind(kind);
  change->set_key(key);
}

uint64_t FakeControlPlane::Commit(bool publish) {
  const uint64_t next = revision() + 1;
  Mirror after = mirror();
  for (const v1::Change& change : staged_.changes()) {
    if (change.op() == v1::Change::DELETE) {
      after.Delete(KeyOf(change));
    } else {
      after.Upsert(std::make_shared<const v1::Object>(change.object()), next);
    }
  }
  absl::StatusOr<Batch> batch = EncodeBatch(cluster_, epoch_, next, states_.back().position().batch,
                                            after.digest(), std::exchange(staged_, v1::Changes()));
  EXPECT_TRUE(batch.ok()) << batch.status();
  Replica state = states_.back();
  EXPECT_EQ(state.Apply(*batch), Replica::Outcome::kApplied);
  states_.push_back(std::move(state));
  if (min_reader_ > 1) {
    v1::Envelope envelope;
    EXPECT_TRUE(envelope.ParseFromString(batch->envelope));
    envelope.set_min_reader(min_reader_);
    batch->envelope = envelope.SerializeAsString();
  }
  envelopes_.push_back(batch->envelope);
  if (publish) Publish(next);
  return next;
}

void FakeControlPlane::Publish(uint64_t revision) {
  // A control plane that is cut off publishes into the void.
  bus_->Publish(subjects::Feed(cluster_), envelopes_.at(revision - base_ - 1)).IgnoreError();
}

void FakeControlPlane::PublishHead() {
  v1::Heads heads;
  *heads.add_heads() = head();
  bus_->Publish(subjects::kHeads, heads.SerializeAsString()).IgnoreError();
}

void FakeControlPlane::Beacon(absl::Duration period) {
  PublishHead();
  executor_->PostAfter(period, [this, alive = alive_.Watch(), period] {
    if (!alive.expired()) Beacon(period);
  });
}

void FakeControlPlane::Restore(uint64_t revision) {
  ++epoch_;
  Replica old = states_.at(revision - base_);
  v1::Snapshot snapshot = old.ToSnapshot();
  snapshot.mutable_head()->set_epoch(epoch_);
  Replica fresh(cluster_);
  EXPECT_TRUE(fresh.LoadSnapshot({snapshot}).ok());
  states_.assign(1, std::move(fresh));
  envelopes_.clear();
  base_ = log_floor_ = revision;
}

void FakeControlPlane::Answer(const Message& request, const std::string& payload) {
  bus_->Publish(request.reply_to, payload).IgnoreError();
}

void FakeControlPlane::OnSync(const Message& message) {
  ++counters_.syncs;
  v1::SyncRequest request;
  ASSERT_TRUE(request.ParseFromString(message.payload));
  v1::SyncReply reply;
  *reply.mutable_head() = head();
  const v1::Head& have = request.have();
  const bool in_log = have.epoch() == epoch_ && have.revision() >= std::max(base_, log_floor_) &&
                      have.revision() <= revision() &&
                      states_.at(have.revision() - base_).head().batch() == have.batch();
  if (in_log) {
    size_t bytes = 0;
    for (uint64_t r = have.revision() + 1; r <= revision() && bytes < request.max_bytes(); ++r) {
      reply.add_envelopes(envelopes_.at(r - base_ - 1));
      bytes += envelopes_.at(r - base_ - 1).size();
    }
  } else {
    ++counters_.snapshots;
    absl::StatusOr<std::vector<std::string>> chunks = EncodeSnapshot(states_.back().ToSnapshot());
    ASSERT_TRUE(chunks.ok());
    const std::string id = absl::StrCat("snapshot-", counters_.snapshots);
    v1::SnapshotOpen* open = reply.mutable_snapshot();
    open->set_snapshot_id(id);
    open->set_builder(builder_);
    *open->mutable_head() = head();
    open->set_chunks(static_cast<uint32_t>(chunks->size()));
    snapshots_[id] = *std::move(chunks);
  }
  Answer(message, reply.SerializeAsString());
}

void FakeControlPlane::OnChunk(const Message& message) {
  v1::ChunkRequest request;
  ASSERT_TRUE(request.ParseFromString(message.payload));
  v1::ChunkReply reply;
  const auto it = snapshots_.find(request.snapshot_id());
  if (it == snapshots_.end() || request.index() >= it->second.size()) {
    reply.set_code(static_cast<uint32_t>(absl::StatusCode::kNotFound));
  } else {
    reply.set_chunk(it->second[request.index()]);
  }
  Answer(message, reply.SerializeAsString());
}

v1::Reply FakeControlPlane::Committed() {
  v1::Reply reply;
  reply.set_revision(Commit());
  reply.set_epoch(epoch_);
  return reply;
}

void FakeControlPlane::OnApi(const Message& message) {
  ++counters_.requests;
  v1::Request request;
  ASSERT_TRUE(request.ParseFromString(message.payload));
  v1::Reply reply;
  if (!refusal_.ok()) {
    reply.set_code(static_cast<uint32_t>(refusal_.code()));
    reply.set_message(std::string(refusal_.message()));
  } else if (request.has_add_endpoint()) {
    reply = AddEndpoint(request.add_endpoint());
  } else if (request.has_remove_endpoint()) {
    reply = RemoveEndpoint(request.remove_endpoint());
  } else {
    ASSERT_TRUE(request.has_register_node());
    reply = RegisterNode(request.register_node());
  }
  Answer(message, reply.SerializeAsString());
}

v1::Reply FakeControlPlane::RegisterNode(const v1::RegisterNodeRequest& request) {
  const v1::Object* held = mirror().Find(v1::KIND_NODE, request.node().name());
  v1::Object object;
  *object.mutable_node() = request.node();
  object.mutable_node()->set_number(held == nullptr ? next_node_++ : held->node().number());
  const uint32_t number = object.node().number();
  v1::Reply reply;
  if (held == nullptr) {
    Upsert(std::move(object));
    reply = Committed();
  }
  reply.mutable_register_node()->set_number(number);
  return reply;
}

uint32_t FakeControlPlane::IdentityFor(const std::vector<v1::Label>& labels,
                                       const std::vector<v1::NamedPort>& ports) {
  const std::string form = policy::CanonicalForm(labels, ports);
  for (const auto& [key, stored] : mirror().All(v1::KIND_IDENTITY)) {
    const v1::Identity& identity = stored.object->identity();
    if (policy::CanonicalForm({identity.labels().begin(), identity.labels().end()},
                              {identity.named_ports().begin(), identity.named_ports().end()}) == form) {
      return identity.id();
    }
  }
  v1::Object object;
  object.mutable_identity()->set_id(next_identity_++);
  *object.mutable_identity()->mutable_labels() = {labels.begin(), labels.end()};
  *object.mutable_identity()->mutable_named_ports() = {ports.begin(), ports.end()};
  const uint32_t id = object.identity().id();
  Upsert(std::move(object));
  return id;
}

v1::Reply FakeControlPlane::AddEndpoint(const v1::AddEndpointRequest& request) {
  v1::Reply reply;
  const v1::Object* node = mirror().Find(v1::KIND_NODE, request.node());
  const v1::Object* ns = mirror().Find(v1::KIND_NAMESPACE, request.namespace_());
  if (node == nullptr || ns == nullptr) {
    reply.set_code(static_cast<uint32_t>(absl::StatusCode::kFailedPrecondition));
    reply.set_message(node == nullptr ? "no such node" : "no such namespace");
    return reply;
  }
  for (const auto& [key, stored] : mirror().All(v1::KIND_ENDPOINT)) {
    const v1::Endpoint& other = stored.object->endpoint();
    for (const std::string& ip : request.ips()) {
      if (other.meta().uid() == request.uid() || other.addresses(0).ip() != ip) continue;
      reply.set_code(static_cast<uint32_t>(absl::StatusCode::kAborted));
      reply.set_message("the address belongs to another endpoint of the node");
      return reply;
    }
  }
  policy::PodLabels pod;
  pod.cluster = cluster_;
  pod.ns = request.namespace_();
  pod.namespace_labels = {ns->namespace_().labels().begin(), ns->namespace_().labels().end()};
  pod.labels = {request.labels().begin(), request.labels().end()};
  if (!request.service_account().empty()) pod.service_account = request.service_account();
  const uint32_t id =
      IdentityFor(policy::IdentityLabels(pod), {request.named_ports().begin(), request.named_ports().end()});
  v1::Object object;
  v1::Endpoint* endpoint = object.mutable_endpoint();
  endpoint->mutable_meta()->set_uid(request.uid());
  endpoint->set_namespace_(request.namespace_());
  endpoint->set_name(request.name());
  endpoint->set_node(node->node().number());
  endpoint->set_identity(id);
  for (const std::string& ip : request.ips()) endpoint->add_addresses()->set_ip(ip);
  Upsert(std::move(object));
  reply = Committed();
  *reply.mutable_add_endpoint()->mutable_identity() =
      mirror().Find(v1::KIND_IDENTITY, absl::StrCat(id))->identity();
  return reply;
}

v1::Reply FakeControlPlane::RemoveEndpoint(const v1::RemoveEndpointRequest& request) {
  const absl::StatusOr<Id128> uid = Id128::FromBytes(request.uid());
  EXPECT_TRUE(uid.ok());
  if (mirror().Find(v1::KIND_ENDPOINT, EndpointKey(*uid)) == nullptr) return {};
  Delete(v1::KIND_ENDPOINT, EndpointKey(*uid));
  return Committed();
}

}  // namespace trivium
