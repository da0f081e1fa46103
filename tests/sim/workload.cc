#include "tests/sim/workload.h"

#include "absl/strings/str_cat.h"
#include "schema/subjects.h"
#include "tests/support/made_up_policies.h"

namespace trivium::sim {
namespace {

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

PodLook LookOf(uint32_t number) {
  PodLook look;
  look.labels["app"] = kMadeUpApps[number % 4];
  if (number / 4 % 3 == 0) look.labels["tier"] = absl::StrCat(number / 12 % 2);
  if (number / 24 % 4 == 0) look.service_account = "robot";
  if (number / 96 % 3 == 0) look.named_port = static_cast<uint32_t>(kMadeUpPorts[number / 288 % 2]);
  return look;
}

}  // namespace

std::string NamespaceName(uint32_t number) { return number == 0 ? "shop" : "tmp"; }

std::string NamespaceManifest(uint32_t number, uint32_t labels) {
  return absl::StrCat("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ", NamespaceName(number),
                      labels == 0 ? "" : absl::StrCat("\n  labels: {team: t", labels, "}"), "\n");
}

Person::Person(Surroundings* around, uint32_t cluster, std::function<void(const Request&)> on_answer)
    : cluster_(cluster),
      principal_(absl::StrCat(kClusterNames[cluster], ":ctl:alice")),
      client_(absl::StrCat(principal_, "#1")),
      executor_(around->scheduler->NewExecutor()),
      random_(around->seed, client_),
      on_answer_(std::move(on_answer)),
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
    return on_answer_(request);
  }
  executor_->PostAfter(absl::Milliseconds(100 + random_.Below(400)), [this, index] { Send(index); });
}

Cni::Cni(Surroundings* around, AgentSite* site, uint32_t slots, Executor* executor)
    : site_(site),
      executor_(executor),
      random_(around->seed, absl::StrCat("cni of ", site->name())),
      slots_(slots) {}

void Cni::Add(uint32_t slot, uint32_t look) {
  Slot& s = slots_[slot];
  if (s.pod.has_value() || !s.orders.empty()) Delete(slot);
  Order order;
  order.add = true;
  order.pod.uid = Id128{site_->process() + 1, next_uid_++};
  order.pod.ip = site_->PodIp(slot);
  order.pod.ifname = absl::StrCat("lxc", slot, "-", order.pod.uid.lo);
  order.pod.ns = NamespaceName(look / 1024 % 4 == 0 ? 1 : 0);
  order.look = LookOf(look);
  order.name = absl::StrCat("pod-", site_->config().node, "-", next_uid_);
  s.orders.push_back(std::move(order));
  if (s.orders.size() == 1) Push(slot);
}

bool Cni::Relabel(uint32_t slot, uint32_t look) {
  Slot& s = slots_[slot];
  if (!s.pod.has_value() || (!s.orders.empty() && !s.orders.back().add)) return false;
  Order order = s.orders.empty() ? *s.pod : s.orders.back();
  order.look = LookOf(look);
  s.orders.push_back(std::move(order));
  if (s.orders.size() == 1) Push(slot);
  return true;
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
    std::vector<PodLook> looks;
    if (s.pod.has_value() && s.pod->pod.uid == order.pod.uid) looks = s.pod->pod.looks;
    s.pod = order;
    if (looks.empty() || looks.back() != order.look) looks.push_back(order.look);
    s.pod->pod.looks = std::move(looks);
    Remember();
    site_->devices()->MakeVeth(order.pod.ifname);
    request = AddRequest(order);
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

v1::AgentRequest Cni::AddRequest(const Order& order) {
  v1::AgentRequest request;
  v1::EndpointAdd* add = request.mutable_add();
  add->set_uid(order.pod.uid.ToBytes());
  add->set_namespace_(order.pod.ns);
  add->set_name(order.name);
  for (const auto& [key, value] : order.look.labels) (*add->mutable_labels())[key] = value;
  add->set_service_account(order.look.service_account);
  if (order.look.named_port != 0) {
    v1::NamedPort* port = add->add_named_ports();
    port->set_name("api");
    port->set_protocol(v1::PROTOCOL_TCP);
    port->set_port(order.look.named_port);
  }
  add->add_ips(order.pod.ip);
  add->set_ifname(order.pod.ifname);
  add->set_pod_mac(std::string("\x02\0\0\0\0\x02", 6));
  return request;
}

void Cni::Answered(uint32_t slot, uint64_t run, const v1::AgentReply& reply) {
  Slot& s = slots_[slot];
  if (run != site_->runs() || !s.asked || s.orders.empty()) return;
  s.asked = false;
  if (s.orders.front().add) {
    if (reply.code() == 0) {
      const Id128 uid = s.orders.front().pod.uid;
      s.orders.pop_front();
      s.acknowledged = s.orders.empty() || (s.orders.front().add && s.orders.front().pod.uid == uid);
      return Next(slot, absl::ZeroDuration());
    }
    if (MayMend(reply.code()) && s.orders.size() == 1) return Next(slot, absl::Milliseconds(300));
    // Given up: what may be left of it is removed.
    s.acknowledged = false;
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
    Slot& s = slots_[slot];
    s.asked = false;
    // It may have been taken back, and nobody was told.
    if (!s.orders.empty()) s.acknowledged = false;
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
    if (s.pod.has_value() && s.acknowledged && s.orders.empty()) uids.push_back(s.pod->pod.uid);
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
