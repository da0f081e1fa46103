#include "tests/sim/agent_watch.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bpf/abi/types.h"
#include "nodeagent/delta/pod.h"
#include "tests/flow/map_judge.h"

namespace trivium::sim {
namespace {

constexpr size_t kMaxSince = 200;
constexpr int kLately = 8;  // revisions
constexpr uint16_t kPorts[] = {80, 443, 5432, 5500};

std::string Describe(const Vector& vector) {
  std::string text;
  for (const Record* record : vector) {
    absl::StrAppend(&text, text.empty() ? "" : " ",
                    record == nullptr ? "-" : absl::StrCat(record->at.epoch, "/", record->at.revision));
  }
  return text;
}

}  // namespace

AgentWatch::AgentWatch(uint64_t seed, AgentSite* site, const Cni* cni, const History* history,
                       const std::vector<AgentSite*>* nodes)
    : site_(site),
      cni_(cni),
      history_(history),
      nodes_(nodes),
      random_(seed, absl::StrCat("watch of ", site->name())),
      verdicts_(&site->config()) {}

void AgentWatch::FillRemotes() {
  if (!remotes_.empty()) return;
  for (const AgentSite* node : *nodes_) {
    for (uint32_t slot = 0; slot < 4; ++slot) remotes_.push_back(node->PodIp(slot));  // the last is nobody's
    remotes_.push_back(node->config().inner_addresses[0]);
  }
  for (const char* outside :
       {"\xc0\x00\x02\x07", "\xc0\x00\x02\x46", "\xc0\x00\x02\xc8", "\xc6\x33\x64\x01"}) {
    remotes_.emplace_back(outside, 4);
  }
}

bool AgentWatch::Now(Vector* now) const {
  *now = Vector{};
  if (site_->app() == nullptr) return true;
  for (const auto& [name, feed] : site_->app()->inbox().feeds()) {
    const Position& at = feed->replica().position();
    if (at.epoch == 0 || feed->cluster_id() > kClusters) continue;
    const Record* record = history_->Find(name, at);
    if (record == nullptr && at.revision > 0) return false;
    (*now)[feed->cluster_id()] = record;
  }
  return true;
}

bool AgentWatch::IsUp(const std::string& ip) const {
  const auto& devices = site_->devices()->devices();
  return std::any_of(cni_->pods().begin(), cni_->pods().end(), [&](const LocalPod& pod) {
    const auto device = devices.find(pod.ifname);
    return pod.ip == ip && device != devices.end() && device->second.up;
  });
}

bool AgentWatch::Open(const LocalPod& pod) const {
  for (const uint32_t direction : {0u, 1u}) {
    const MapVerdict verdict = Judge(*site_->maps(), {pod.ip, pod.ip, direction, 6, 80});
    if (verdict == MapVerdict::kClosed || verdict == MapVerdict::kNoEndpoint) return false;
  }
  return true;
}

Flow AgentWatch::Draw() {
  FillRemotes();
  const std::vector<LocalPod>& pods = cni_->pods();
  Flow flow;
  flow.local = pods[random_.Below(pods.size())].ip;
  flow.remote = remotes_[random_.Below(remotes_.size())];
  flow.direction = static_cast<uint32_t>(random_.Below(2));
  flow.port = kPorts[random_.Below(4)];
  return flow;
}

std::vector<const Vector*> AgentWatch::States(const Vector* now) const {
  std::vector<const Vector*> states{&base_};
  for (const Vector& each : since_) states.push_back(&each);
  if (now != nullptr) states.push_back(now);
  return states;
}

bool AgentWatch::Enforced(const std::string& ip) const {
  if (site_->app() == nullptr) return false;
  return std::any_of(cni_->pods().begin(), cni_->pods().end(), [&](const LocalPod& pod) {
    return pod.ip == ip && site_->app()->pipeline().View(pod.uid).enforced;
  });
}

// While writes fail, who an address leads to may stay behind; and an endpoint whose new rule set cannot be
// written keeps an older one, which judges the identities that there are by then. One that is enforced has
// the rule set of the last flush, or of the one under way.
bool AgentWatch::MixMayAllow(const Flow& flow, const Vector* now) {
  const std::vector<const Vector*> remotes = States(now);
  std::vector<const Vector*> policies = remotes;
  if (Enforced(flow.local)) {
    policies.assign(1, since_.empty() ? &base_ : &since_.back());
    if (now != nullptr) policies.push_back(now);
  }
  return std::any_of(policies.begin(), policies.end(), [&](const Vector* policy) {
    return std::any_of(remotes.begin(), remotes.end(), [&](const Vector* remote) {
      return (verdicts_.Of(*policy, flow, cni_->pods(), remote) & kMayAllow) != 0;
    });
  });
}

bool AgentWatch::Passes(const std::string& ip, const Vector* now) {
  const uint32_t owner = verdicts_.OwnerOf(base_, ip);
  const std::vector<const Vector*> states = States(now);
  return std::any_of(states.begin(), states.end(),
                     [&](const Vector* each) { return verdicts_.OwnerOf(*each, ip) != owner; });
}

bool AgentWatch::NewEpoch(const Vector* now) const {
  for (const Vector* other : States(now)) {
    for (size_t log = 0; log < base_.size(); ++log) {
      if (base_[log] != nullptr && (*other)[log] != nullptr &&
          base_[log]->at.epoch != (*other)[log]->at.epoch) {
        return true;
      }
    }
  }
  return false;
}

// A restore that nobody has noticed yet: another history of the same epoch, at a lower revision.
bool AgentWatch::Forked(const Vector& now) const {
  for (size_t log = 0; log < base_.size(); ++log) {
    if (now[log] == nullptr || base_[log] == nullptr) continue;
    const Record* record = base_[log];
    while (record != nullptr && record != now[log]) record = record->prev;
    if (record == nullptr && now[log]->at.epoch == base_[log]->at.epoch &&
        now[log]->at.revision <= base_[log]->at.revision) {
      return true;
    }
  }
  return false;
}

bool AgentWatch::HomelessLately(const LocalPod& pod) const {
  const Record* record = history_->head(site_->config().cluster);
  for (int i = 0; i < kLately && record != nullptr; ++i, record = record->prev) {
    if (!record->state->contains({v1::KIND_NAMESPACE, pod.ns}) ||
        !record->state->contains({v1::KIND_NODE, site_->config().node})) {
      return true;
    }
  }
  return false;
}

std::string AgentWatch::Explain(const Flow& flow) const {
  std::string text;
  for (const Vector& each : since_) absl::StrAppend(&text, " then ", Describe(each));
  absl::StrAppend(&text, site_->trouble ? " in trouble" : "", " [remote identity in the maps ",
                  IdentityOf(*site_->maps(), flow.remote));
  for (const LocalPod& pod : cni_->pods()) {
    if (pod.ip != flow.local) continue;
    absl::StrAppend(&text, ", pod ", EndpointKey(pod.uid),
                    cni_->Acknowledged(pod.uid) ? "" : " (not acknowledged)");
    if (site_->app() == nullptr) continue;
    const Pipeline::EndpointView view = site_->app()->pipeline().View(pod.uid);
    absl::StrAppend(&text, " identity ", view.identity, view.registered ? " registered" : "",
                    view.enforced ? " enforced" : "", " rule sets ", view.ingress_rule_set, ",",
                    view.egress_rule_set);
  }
  return text + "]";
}

std::string AgentWatch::Check(const Flow& flow, const Vector* now) {
  // No packet passes before the link is up, whatever the maps still hold of the address's last owner.
  if (flow.local == flow.remote || !IsUp(flow.local)) return "";
  ++flows_;
  uint32_t may = 0;
  for (const Vector* each : States(now)) may |= verdicts_.Of(*each, flow, cni_->pods());
  const MapVerdict judged = Judge(*site_->maps(), {flow.local, flow.remote, flow.direction, 6, flow.port});
  const bool allows = judged == MapVerdict::kAllow;
  if (allows && (may & kMayAllow) == 0 && !(site_->trouble && MixMayAllow(flow, now))) {
    return absl::StrCat(site_->name(), ": ", flow.ToString(),
                        " is allowed, though every neighbouring state denies it (maps at ", Describe(base_),
                        now == nullptr ? "" : absl::StrCat(", now ", Describe(*now)), ")", Explain(flow));
  }
  if (allows || (may & kMayDeny) != 0 || site_->trouble) return "";
  // An address that passes from one identity to another, or from outside into a cluster that has just joined,
  // leads nowhere for the time of one flush, so that the old one is not judged by the new policy; so does one
  // whose old identity was retired since: that is not known any more before its classes go. A restore may do
  // that to an identity's number too.
  if ((judged == MapVerdict::kUnknownPod || judged == MapVerdict::kUnknownIdentity) &&
      Passes(flow.remote, now))
    return "";
  if (judged == MapVerdict::kUnknownIdentity && NewEpoch(now)) return "";
  if (judged == MapVerdict::kClosed || judged == MapVerdict::kNoEndpoint) {
    for (const LocalPod& pod : cni_->pods()) {
      const bool opened = std::find(opened_.begin(), opened_.end(), pod.uid) != opened_.end();
      if (pod.ip != flow.local) continue;
      if (!opened || !cni_->Acknowledged(pod.uid) || HomelessLately(pod)) return "";
    }
  }
  return absl::StrCat(site_->name(), ": ", flow.ToString(), " is denied (", static_cast<int>(judged),
                      "), though every neighbouring state allows it (maps at ", Describe(base_),
                      now == nullptr ? "" : absl::StrCat(", now ", Describe(*now)), ")", Explain(flow));
}

std::string AgentWatch::OnMapWrite() {
  wrote_ = true;
  ++writes_;
  if (cni_->pods().empty() || random_.Below(3) != 0) return "";
  Vector now;
  if (!Now(&now)) return absl::StrCat(site_->name(), " holds what was never committed");
  return Check(Draw(), Compare() == Pinned::kAhead && !Forked(now) ? nullptr : &now);
}

// The pinned vector says what the maps stand for.
AgentWatch::Pinned AgentWatch::Compare() const {
  const auto& pinned = site_->maps()->content(MapId::kVector);
  Pinned result = Pinned::kEqual;
  for (const auto& [name, feed] : site_->app()->inbox().feeds()) {
    const Position& at = feed->replica().position();
    vector_key key{};
    key.cluster = feed->cluster_id();
    const auto found = pinned.find(std::string(Bytes(key)));
    if (found == pinned.end()) {
      if (at.epoch != 0) result = Pinned::kBehind;
      continue;
    }
    const auto value = FromBytes<vector_value>(found->second);
    if (at.epoch < value.epoch || (at.epoch == value.epoch && at.revision < value.revision))
      return Pinned::kAhead;
    if (value.epoch != at.epoch || value.revision != at.revision ||
        std::string(reinterpret_cast<const char*>(value.batch), 16) != at.batch.ToBytes()) {
      result = Pinned::kBehind;
    }
  }
  return result;
}

std::string AgentWatch::AfterTask() {
  if (!wrote_) return "";
  wrote_ = false;
  for (const LocalPod& pod : cni_->pods()) {
    if (Open(pod) && std::find(opened_.begin(), opened_.end(), pod.uid) == opened_.end()) {
      opened_.push_back(pod.uid);
    }
  }
  Vector now;
  if (!Now(&now)) return absl::StrCat(site_->name(), " holds what was never committed");
  if (site_->app() == nullptr) return "";
  // A rule set that finds no room is refused before anything is written of it.
  for (const std::string& problem : site_->app()->Problems()) {
    site_->trouble = site_->trouble || problem.rfind("map ", 0) == 0;
  }
  const Pinned pinned = Compare();
  if (pinned == Pinned::kEqual && !site_->life()->dead()) {
    base_ = now;
    since_.clear();
    if (site_->trouble && site_->app()->Problems().empty()) site_->trouble = false;
  } else if ((pinned != Pinned::kAhead || Forked(now)) && now != base_ &&
             std::find(since_.begin(), since_.end(), now) == since_.end()) {
    since_.push_back(now);
    if (since_.size() > kMaxSince) since_.erase(since_.begin());
  }
  if (cni_->pods().empty()) return "";
  std::string problem = Check(Draw(), nullptr);
  return problem.empty() ? Check(Draw(), nullptr) : problem;
}

void AgentWatch::OnPowerLoss() {
  base_ = Vector{};
  since_.clear();
  opened_.clear();
  site_->trouble = false;
}

std::string AgentWatch::CheckAll() {
  FillRemotes();
  site_->trouble = false;
  since_.clear();
  if (!Now(&base_)) return absl::StrCat(site_->name(), " holds what was never committed");
  for (const LocalPod& pod : cni_->pods()) opened_.push_back(pod.uid);
  for (const LocalPod& pod : cni_->pods()) {
    for (const std::string& remote : remotes_) {
      for (const uint32_t direction : {0u, 1u}) {
        for (const uint16_t port : kPorts) {
          std::string problem = Check({pod.ip, remote, direction, port}, nullptr);
          if (!problem.empty()) return absl::StrCat("in the end ", problem);
        }
      }
    }
  }
  return "";
}

}  // namespace trivium::sim
