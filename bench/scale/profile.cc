#include "bench/scale/profile.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace trivium::bench {
namespace {

constexpr int kNamespaces = 10;

std::string NamespaceOf(int identity) { return absl::StrCat("load-", identity % kNamespaces); }

}  // namespace

Profile::Profile(Options options)
    : options_(std::move(options)),
      state_(options_.seed * 0x9e3779b97f4a7c15ull + 1),
      freed_(options_.nodes.size()),
      next_host_(options_.nodes.size(), 2) {}

// splitmix64: the same course on every machine.
uint64_t Profile::Draw(uint64_t below) {
  uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return (z ^ (z >> 31)) % below;
}

std::string Profile::Bytes16() {
  std::string bytes;
  for (int i = 0; i < 16; ++i) bytes.push_back(static_cast<char>(Draw(256)));
  return bytes;
}

std::vector<Profile::Operation> Profile::Namespaces() {
  std::vector<Operation> operations;
  Operation operation;
  operation.verb = "apply";
  for (int i = 0; i < kNamespaces; ++i) {
    v1::Manifest* manifest = operation.request.mutable_apply()->add_manifests();
    manifest->set_file("load.yaml");
    manifest->set_text(absl::StrCat("apiVersion: v1\nkind: Namespace\nmetadata: {name: load-", i,
                                    ", labels: {team: t", i, "}}\n"));
  }
  operation.changes = kNamespaces;
  operation.request.set_request_id(Bytes16());
  operations.push_back(std::move(operation));
  for (int i = 0; i < options_.policies; ++i) operations.push_back(Policy(i));
  return operations;
}

size_t Profile::NewEndpoint(int identity) {
  Endpoint endpoint;
  endpoint.uid = Bytes16();
  endpoint.name = absl::StrCat("pod-", all_.size());
  endpoint.identity = identity;
  // Nodes in turn from a random place: full ones are passed over.
  size_t node = Draw(options_.nodes.size());
  for (size_t tried = 0; tried < options_.nodes.size(); ++tried, node = (node + 1) % options_.nodes.size()) {
    const uint32_t end = (1u << (32 - options_.nodes[node].length)) - options_.nodes[node].reserved;
    if (next_host_[node] < end) {
      endpoint.host = next_host_[node]++;
      break;
    }
    if (!freed_[node].empty()) {
      endpoint.host = freed_[node].front();
      freed_[node].pop_front();
      break;
    }
  }
  endpoint.node = node;
  all_.push_back(std::move(endpoint));
  ++adding_;
  return all_.size() - 1;
}

void Profile::Fill(const Endpoint& endpoint, v1::AddEndpointRequest* add) const {
  const ProfileNode& node = options_.nodes[endpoint.node];
  add->set_uid(endpoint.uid);
  add->set_namespace_(NamespaceOf(endpoint.identity));
  add->set_name(endpoint.name);
  add->set_node(node.name);
  (*add->mutable_labels())["app"] = absl::StrCat("app-", endpoint.identity);
  (*add->mutable_labels())["tier"] = endpoint.identity % 2 == 0 ? "front" : "back";
  std::string ip = node.network;
  uint32_t host = endpoint.host;
  for (size_t i = ip.size(); i-- > 0; host >>= 8) ip[i] = static_cast<char>(ip[i] | (host & 0xff));
  add->add_ips(ip);
}

int Profile::DrawIdentity() { return static_cast<int>(Draw(static_cast<uint64_t>(options_.identities))); }

void Profile::Add(int identity, v1::AddEndpointRequest* add, Operation* operation) {
  const size_t place = NewEndpoint(identity);
  operation->endpoints.emplace_back(Operation::Kind::kAdd, place);
  Fill(all_[place], add);
}

void Profile::Remove(v1::RemoveEndpointRequest* remove, Operation* operation) {
  const size_t place = TakeStanding();
  operation->endpoints.emplace_back(Operation::Kind::kRemove, place);
  remove->set_uid(all_[place].uid);
  remove->set_node(options_.nodes[all_[place].node].name);
}

void Profile::Relabel(v1::AddEndpointRequest* add, Operation* operation) {
  const size_t place = TakeStanding();
  operation->endpoints.emplace_back(Operation::Kind::kRelabel, place);
  // Another app of the same namespace.
  all_[place].identity = (all_[place].identity + kNamespaces) % options_.identities;
  Fill(all_[place], add);
}

size_t Profile::TakeStanding() {
  const size_t place = Draw(standing_.size());
  std::swap(standing_[place], standing_.back());
  const size_t taken = standing_.back();
  standing_.pop_back();
  return taken;
}

Profile::Operation Profile::Populate() {
  Operation operation;
  operation.verb = "add-endpoint";
  Add(DrawIdentity(), operation.request.mutable_add_endpoint(), &operation);
  operation.request.set_request_id(Bytes16());
  return operation;
}

Profile::Operation Profile::Policy(int number) {
  Operation operation;
  operation.verb = "apply";
  v1::Manifest* manifest = operation.request.mutable_apply()->add_manifests();
  manifest->set_file("load.yaml");
  manifest->set_text(absl::StrCat(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: policy-", number,
      ", namespace: load-", number % kNamespaces, "}\nspec:\n  podSelector: {matchLabels: {app: app-", number,
      "}}\n  ingress:\n  - from: [{namespaceSelector: {matchLabels: {team: t", (number + 1) % kNamespaces,
      "}}, podSelector: {matchLabels: {tier: front}}}]\n    ports: [{port: ",
      8000 + ++policy_changes_ % 20000, "}]\n"));
  operation.request.set_request_id(Bytes16());
  return operation;
}

Profile::Draws Profile::DrawChange() {
  const uint64_t draw = Draw(1000);
  if (draw < 5) return Draws::kFreshIdentity;
  if (draw < 95 && !standing_.empty()) return Draws::kRelabel;
  // Around the wanted number: what stands and what is on its way.
  const bool full = static_cast<int>(standing_.size()) + adding_ > options_.endpoints;
  return full && !standing_.empty() ? Draws::kRemove : Draws::kAdd;
}

Profile::Operation Profile::Next(int changes) {
  if (Draw(1000) < 5 * static_cast<uint64_t>(changes)) {
    return Policy(static_cast<int>(Draw(static_cast<uint64_t>(options_.policies))));
  }
  Operation operation;
  if (changes == 1) {
    One(&operation);
  } else {
    operation.verb = "change-endpoints";
    operation.changes = 0;
    v1::ChangeEndpointsRequest* many = operation.request.mutable_change_endpoints();
    for (int i = 0; i < changes; ++i) operation.changes += One(&operation, many);
  }
  operation.request.set_request_id(Bytes16());
  return operation;
}

void Profile::One(Operation* operation) {
  v1::ChangeEndpointsRequest one;
  operation->changes = One(operation, &one);
  if (one.remove().empty()) {
    operation->verb = "add-endpoint";
    operation->request.mutable_add_endpoint()->Swap(one.mutable_add(0));
  } else {
    operation->verb = "remove-endpoint";
    operation->request.mutable_remove_endpoint()->Swap(one.mutable_remove(0));
  }
}

int Profile::One(Operation* operation, v1::ChangeEndpointsRequest* request) {
  switch (DrawChange()) {
    case Draws::kFreshIdentity:
      Add(options_.identities + fresh_identities_++, request->add_add(), operation);
      return 2;  // the identity and its first endpoint
    case Draws::kRelabel:
      Relabel(request->add_add(), operation);
      break;
    case Draws::kRemove:
      Remove(request->add_remove(), operation);
      break;
    case Draws::kAdd:
      Add(DrawIdentity(), request->add_add(), operation);
      break;
  }
  return 1;
}

void Profile::Done(const Operation& operation, bool ok) {
  for (const auto& [kind, place] : operation.endpoints) {
    const Endpoint& endpoint = all_[place];
    switch (kind) {
      case Operation::Kind::kAdd:
        --adding_;
        if (ok) standing_.push_back(place);
        break;
      case Operation::Kind::kRelabel:
        standing_.push_back(place);
        break;
      case Operation::Kind::kRemove:
        if (ok) {
          freed_[endpoint.node].push_back(endpoint.host);
        } else {
          standing_.push_back(place);
        }
        break;
    }
  }
}

}  // namespace trivium::bench
