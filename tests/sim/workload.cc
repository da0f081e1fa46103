#include "tests/sim/workload.h"

#include "absl/strings/str_cat.h"
#include "schema/subjects.h"

namespace trivium::sim {
namespace {

constexpr const char* kApps[] = {"db", "cart", "web", "pay"};
constexpr int kPorts[] = {80, 443, 5432};

// Whether the same request may succeed later.
bool MayMend(uint32_t code) {
  switch (static_cast<absl::StatusCode>(code)) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string NamespaceName(uint32_t name) { return name == 0 ? "shop" : "tmp"; }

std::string NamespaceManifest(uint32_t name, uint32_t labels) {
  return absl::StrCat("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ", NamespaceName(name),
                      labels == 0 ? "" : absl::StrCat("\n  labels: {team: t", labels, "}"), "\n");
}

std::string PolicyManifest(uint32_t name, uint32_t shape) {
  const char* subject = kApps[shape % 3];
  const char* peer = kApps[shape / 3 % 4];
  const int port = kPorts[shape / 12 % 3];
  const char* where = kClusterNames[shape / 36 % kClusters];
  std::string text = absl::StrCat("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p",
                                  name, ", namespace: ", NamespaceName(name == 3 ? 1 : 0),
                                  "}\nspec:\n  podSelector: {matchLabels: {app: ", subject, "}}\n");
  switch (shape / 108 % 6) {
    case 0:  // nobody
      return text + "  policyTypes: [Ingress, Egress]\n";
    case 1:  // one peer of one cluster
      return absl::StrCat(text,
                          "  policyTypes: [Ingress]\n  ingress:\n  - from:\n    - podSelector: {matchLabels: "
                          "{app: ",
                          peer, ", io.cilium.k8s.policy.cluster: ", where,
                          "}}\n    ports: [{protocol: TCP, port: ", port, "}]\n");
    case 2:  // everybody but one
      return absl::StrCat(
          text,
          "  policyTypes: [Ingress, Egress]\n  ingress:\n  - from:\n    - podSelector: {matchExpressions: "
          "[{key: app, operator: NotIn, values: [",
          peer, "]}, {key: io.cilium.k8s.policy.cluster, operator: Exists}]}\n  egress: [{}]\n");
    case 3:  // addresses outside, with a hole
      return absl::StrCat(text,
                          "  policyTypes: [Ingress, Egress]\n  ingress:\n  - from:\n    - ipBlock: {cidr: "
                          "192.0.2.0/24, except: [192.0.2.64/26]}\n  egress:\n  - to:\n    - ipBlock: {cidr: "
                          "0.0.0.0/0, except: [192.0.2.0/25]}\n    ports: [{protocol: TCP, port: ",
                          port, ", endPort: ", port + 100, "}]\n");
    case 4:  // by the labels of a namespace
      return absl::StrCat(text,
                          "  policyTypes: [Ingress]\n  ingress:\n  - from:\n    - namespaceSelector: "
                          "{matchLabels: {team: t",
                          1 + shape % 2, "}}\n");
    default:  // own cluster's peers on every port, outside on one
      return absl::StrCat(
          text, "  policyTypes: [Egress]\n  egress:\n  - to:\n    - podSelector: {matchLabels: {app: ", peer,
          "}}\n  - to:\n    - ipBlock: {cidr: 198.51.100.0/24}\n    ports: [{protocol: TCP, port: ", port,
          "}]\n");
  }
}

Person::Person(Surroundings* around, uint32_t cluster)
    : cluster_(cluster),
      principal_(absl::StrCat(kClusterNames[cluster], ":ctl:alice")),
      client_(absl::StrCat(principal_, "#1")),
      executor_(around->scheduler->NewExecutor()),
      random_(around->seed, client_),
      bus_(around->broker->Connect(client_, kClusterNames[cluster])) {}

void Person::Ask(const std::string& verb, v1::Request message) {
  Request request;
  request.id = random_.NewId();
  request.verb = verb;
  message.set_request_id(request.id.ToBytes());
  message.set_source("sim/1");
  request.message = std::move(message);
  requests_.push_back(std::move(request));
  ++open_;
  Send(requests_.size() - 1);
}

void Person::Send(size_t index) {
  bus_->Request(subjects::Api(kClusterNames[cluster_], principal_, requests_[index].verb),
                requests_[index].message.SerializeAsString(), absl::Seconds(2), executor_,
                [this, index](const absl::StatusOr<std::string>& bytes) { OnReply(index, bytes); });
}

void Person::OnReply(size_t index, const absl::StatusOr<std::string>& bytes) {
  Request& request = requests_[index];
  v1::Reply reply;
  if (bytes.ok() && reply.ParseFromString(*bytes) && !MayMend(reply.code())) {
    request.answered = true;
    request.reply = std::move(reply);
    --open_;
    return;
  }
  executor_->PostAfter(absl::Milliseconds(100 + random_.Below(400)), [this, index] { Send(index); });
}

Cni::Cni(Surroundings* around, AgentSite* site, uint32_t slots, Executor* executor)
    : site_(site),
      executor_(executor),
      random_(around->seed, absl::StrCat("cni of ", site->name())),
      slots_(slots) {}

void Cni::Add(uint32_t slot, uint32_t labels) {
  Slot& s = slots_[slot];
  if (s.pod.has_value() || !s.orders.empty()) Delete(slot);
  Order order;
  order.add = true;
  order.pod.uid = Id128{site_->process() + 1, next_uid_++};
  order.pod.ip = site_->PodIp(slot);
  order.pod.ifname = absl::StrCat("lxc", slot, "-", order.pod.uid.lo);
  order.pod.labels = {{"app", kApps[labels % 4]}};
  if (labels / 4 % 3 == 0) order.pod.labels["tier"] = absl::StrCat(labels / 12 % 2);
  order.name = absl::StrCat("pod-", site_->config().node, "-", next_uid_);
  s.orders.push_back(std::move(order));
  if (s.orders.size() == 1) Push(slot);
}

void Cni::Delete(uint32_t slot) {
  Slot& s = slots_[slot];
  const Order* last = s.orders.empty() ? (s.pod.has_value() ? &*s.pod : nullptr) : &s.orders.back();
  if (last == nullptr || (!s.orders.empty() && !last->add)) return;
  Order order = *last;
  order.add = false;
  s.orders.push_back(std::move(order));
  if (s.orders.size() == 1) Push(slot);
}

void Cni::Push(uint32_t slot) {
  Slot& s = slots_[slot];
  if (s.orders.empty() || s.asked || !site_->up()) return;
  const Order& order = s.orders.front();
  s.asked = true;
  v1::AgentRequest request;
  if (order.add) {
    s.pod = order;
    Remember();
    site_->devices()->MakeVeth(order.pod.ifname);
    v1::EndpointAdd* add = request.mutable_add();
    add->set_uid(order.pod.uid.ToBytes());
    add->set_namespace_("shop");
    add->set_name(order.name);
    for (const auto& [key, value] : order.pod.labels) (*add->mutable_labels())[key] = value;
    add->add_ips(order.pod.ip);
    add->set_ifname(order.pod.ifname);
    add->set_pod_mac(std::string("\x02\0\0\0\0\x02", 6));
  } else {
    s.acknowledged = false;
    request.mutable_del()->set_uid(order.pod.uid.ToBytes());
  }
  request.set_deadline_ms(10000);
  site_->executor()->Post([this, slot, run = site_->runs(), request] {
    if (site_->app() == nullptr) {  // still at its start: the plugin finds no socket
      executor_->PostAfter(absl::Milliseconds(200), [this, slot, run] {
        if (!site_->up() || site_->runs() != run) return;
        slots_[slot].asked = false;
        Push(slot);
      });
      return;
    }
    site_->app()->Handle(request, [this, slot, run](const v1::AgentReply& reply) {
      executor_->Post([this, slot, run, reply] { Answered(slot, run, reply); });
    });
  });
}

void Cni::Answered(uint32_t slot, uint64_t run, const v1::AgentReply& reply) {
  Slot& s = slots_[slot];
  if (run != site_->runs() || !s.asked || s.orders.empty()) return;
  s.asked = false;
  if (s.orders.front().add) {
    if (reply.code() == 0) {
      s.acknowledged = s.orders.size() == 1;
      s.orders.pop_front();
      return Next(slot, absl::ZeroDuration());
    }
    if (MayMend(reply.code()) && s.orders.size() == 1) return Next(slot, absl::Milliseconds(300));
    // Given up: what may be left of it is removed.
    Order undo = s.orders.front();
    undo.add = false;
    s.orders.pop_front();
    if (s.orders.empty() || s.orders.front().add) s.orders.push_front(std::move(undo));
    return Next(slot, absl::ZeroDuration());
  }
  if (reply.code() != 0) return Next(slot, absl::Milliseconds(300));
  Forget(slot);
  s.orders.pop_front();
  Next(slot, absl::ZeroDuration());
}

void Cni::Next(uint32_t slot, absl::Duration delay) {
  executor_->PostAfter(delay, [this, slot] { Push(slot); });
}

void Cni::Forget(uint32_t slot) {
  Slot& s = slots_[slot];
  if (s.pod.has_value()) site_->devices()->RemoveVeth(s.pod->pod.ifname);
  s.pod.reset();
  Remember();
}

void Cni::Remember() {
  pods_.clear();
  for (const Slot& s : slots_) {
    if (s.pod.has_value()) pods_.push_back(s.pod->pod);
  }
}

void Cni::OnStart() {
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
    slots_[slot].asked = false;
    Push(slot);
  }
}

void Cni::OnPowerLoss() {
  for (Slot& s : slots_) {
    s.asked = s.acknowledged = false;
    s.orders.clear();
    if (!s.pod.has_value()) continue;
    Order order = *s.pod;
    order.add = false;
    s.orders.push_back(std::move(order));
  }
}

bool Cni::idle() const {
  for (const Slot& s : slots_) {
    if (!s.orders.empty()) return false;
  }
  return true;
}

std::vector<Id128> Cni::acknowledged() const {
  std::vector<Id128> uids;
  for (const Slot& s : slots_) {
    if (s.pod.has_value() && s.acknowledged) uids.push_back(s.pod->pod.uid);
  }
  return uids;
}

bool Cni::Acknowledged(const Id128& uid) const {
  for (const Slot& s : slots_) {
    if (s.pod.has_value() && s.pod->pod.uid == uid) return s.acknowledged;
  }
  return false;
}

}  // namespace trivium::sim
