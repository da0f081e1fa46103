#include "controlplane/api/policy_differ.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "controlplane/api/reader.h"
#include "controlplane/writer/kinds.h"
#include "controlplane/writer/plan_manifest.h"
#include "controlplane/writer/writer.h"
#include "policy/cidr.h"
#include "policy/label_index.h"
#include "policy/labels.h"
#include "policy/parse.h"
#include "policy/rule_diff.h"
#include "policy/selector.h"
#include "policy/trace.h"
#include "schema/object.h"

namespace trivium {
namespace {

constexpr v1::Rule::Direction kDirections[] = {v1::Rule::INGRESS, v1::Rule::EGRESS};

// The policies and groups of one cluster at one moment; which policies may select an identity.
class Policies {
 public:
  void Set(const std::string& key, Mirror::ObjectPtr object) { policies_[key] = std::move(object); }
  void Erase(const std::string& key) { policies_.erase(key); }
  const std::map<std::string, Mirror::ObjectPtr>& all() const { return policies_; }
  policy::CidrGroups& groups() { return groups_; }
  const policy::CidrGroups& groups() const { return groups_; }

  void BuildIndex() {
    for (const auto& [key, object] : policies_) {
      for (const v1::PolicyBlock& block : object->policy().blocks()) {
        index_.Add(static_cast<uint32_t>(by_number_.size()), block.subject());
        by_number_.push_back(object);
      }
    }
  }
  std::vector<const v1::Policy*> Selecting(const v1::Identity& identity) const {
    std::vector<const v1::Policy*> found;
    for (const uint32_t number : index_.Candidates(identity)) {
      const v1::Policy* policy = &by_number_[number]->policy();
      if (!found.empty() && found.back() == policy) continue;
      if (policy::Selects(*policy, identity)) found.push_back(policy);
    }
    return found;
  }

 private:
  std::map<std::string, Mirror::ObjectPtr> policies_;
  policy::CidrGroups groups_;
  policy::SelectorIndex index_;
  std::vector<Mirror::ObjectPtr> by_number_;  // one entry for each block
};

// "aws shop app=web", "world".
std::string IdentityText(const v1::Identity& identity) {
  if (identity.labels_size() > 0) {
    absl::string_view reserved = identity.labels(0).key();
    if (absl::ConsumePrefix(&reserved, "reserved:")) return std::string(reserved);
  }
  const auto labels = policy::PodLabelsOf(identity);
  return absl::StrCat(policy::LabelOf(identity, policy::kClusterLabel), " ",
                      policy::LabelOf(identity, policy::kNamespaceLabel), " ",
                      labels.empty() ? "(no labels)" : absl::StrJoin(labels, ",", absl::PairFormatter("=")));
}

std::string VerdictText(const policy::Decision& decision) {
  return decision.verdict == policy::Verdict::kAllow ? "allowed" : "denied";
}

std::string RuleText(const policy::Decision& decision) {
  return decision.by_rule ? policy::RuleText(decision.rule) : "";
}

}  // namespace

// One request under way: the state that it compares, and how far it is.
struct PolicyDiffer::Job {
  // A rule set of a subject before and after, and what is known of its peers.
  struct Pair {
    std::shared_ptr<const policy::RuleSet> before, after;
    std::vector<v1::Cidr> prefixes;
    std::map<std::pair<std::string, std::string>, std::vector<policy::ChangedPorts>> by_classes;
    size_t next_peer = 0;  // of `peers`, and then of `prefixes`
  };

  Answer answer;
  absl::Duration deadline;
  size_t max_flows = 0;
  Policies before, after;
  policy::SelectorIndex changed;                      // the subjects of what changes
  std::vector<v1::Selector> changed_subjects;         // by its numbers
  std::vector<Mirror::ObjectPtr> subjects;            // identities of the own cluster, by number
  std::vector<Mirror::ObjectPtr> peers;               // every identity, the reserved ones first
  absl::flat_hash_map<uint32_t, uint32_t> endpoints;  // of an identity of the own cluster
  size_t next_subject = 0;
  int next_direction = 0;
  std::optional<Pair> pair;
  size_t bytes = 0;
  v1::Reply reply;

  void NoteChanged(const v1::Policy& policy) {
    for (const v1::PolicyBlock& block : policy.blocks()) {
      changed.Add(static_cast<uint32_t>(changed_subjects.size()), block.subject());
      changed_subjects.push_back(block.subject());
    }
  }
  bool Affects(const v1::Identity& identity) const {
    for (const uint32_t number : changed.Candidates(identity)) {
      if (policy::Matches(changed_subjects[number], identity)) return true;
    }
    return false;
  }
  size_t Compare(size_t budget);
  void AddFlows(const policy::PeerRef& peer);
  bool done() const { return next_subject == subjects.size(); }
};

// The verdicts on one peer that change.
void PolicyDiffer::Job::AddFlows(const policy::PeerRef& peer) {
  auto classes = std::make_pair(pair->before->ClassOf(peer), pair->after->ClassOf(peer));
  const auto [it, fresh] = pair->by_classes.try_emplace(classes);
  if (fresh) {
    it->second = policy::DiffOfClasses(*pair->before, classes.first, *pair->after, classes.second);
  }
  if (it->second.empty()) return;
  v1::PolicyDiffResult* result = reply.mutable_policy_diff();
  const v1::Identity& subject = subjects[next_subject]->identity();
  const bool in = kDirections[next_direction] == v1::Rule::INGRESS;
  const std::string peer_text =
      peer.identity != nullptr ? IdentityText(*peer.identity) : policy::CidrText(*peer.prefix);
  const uint32_t peer_id = peer.identity != nullptr ? peer.identity->id() : 0;
  for (const policy::ChangedPorts& change : it->second) {
    v1::PolicyDiffFlow flow;
    flow.set_from(in ? peer_text : IdentityText(subject));
    flow.set_to(in ? IdentityText(subject) : peer_text);
    flow.set_from_identity(in ? peer_id : subject.id());
    flow.set_to_identity(in ? subject.id() : peer_id);
    flow.set_direction(kDirections[next_direction]);
    flow.set_protocol(change.protocol);
    flow.set_first_port(change.first);
    flow.set_last_port(change.last);
    flow.set_before(VerdictText(change.before));
    flow.set_after(VerdictText(change.after));
    flow.set_before_rule(RuleText(change.before));
    flow.set_after_rule(RuleText(change.after));
    const auto count = endpoints.find(subject.id());
    flow.set_endpoints(count == endpoints.end() ? 0 : count->second);
    const size_t size = flow.ByteSizeLong() + 8;
    if (static_cast<size_t>(result->flows_size()) >= max_flows || bytes + size > Reader::kMaxAnswerBytes) {
      result->set_more(result->more() + 1);
      continue;
    }
    bytes += size;
    *result->add_flows() = std::move(flow);
  }
}

// Goes on for about `budget` comparisons; how many are left of it.
size_t PolicyDiffer::Job::Compare(size_t budget) {
  while (budget > 0 && !done()) {
    const v1::Identity& subject = subjects[next_subject]->identity();
    if (!pair.has_value()) {
      --budget;
      if (next_direction == 0 && !Affects(subject)) {
        ++next_subject;
        continue;
      }
      pair.emplace();
      const std::vector<const v1::Policy*> was = before.Selecting(subject), will = after.Selecting(subject);
      pair->before = policy::RuleSet::Build(subject, kDirections[next_direction], was, before.groups());
      pair->after = policy::RuleSet::Build(subject, kDirections[next_direction], will, after.groups());
      pair->prefixes = policy::PrefixesOf(*pair->before, *pair->after);
      budget -= std::min(budget, 10 * (was.size() + will.size()));
      // Equal keys judge alike.
      if (pair->before->key() == pair->after->key()) pair->next_peer = peers.size() + pair->prefixes.size();
    }
    const size_t cost = 1 + pair->before->selectors().size() + pair->after->selectors().size();
    for (; pair->next_peer < peers.size() + pair->prefixes.size() && budget > 0; ++pair->next_peer) {
      policy::PeerRef peer;
      if (pair->next_peer < peers.size()) {
        peer.identity = &peers[pair->next_peer]->identity();
      } else {
        peer.prefix = &pair->prefixes[pair->next_peer - peers.size()];
      }
      AddFlows(peer);
      budget -= std::min(budget, cost);
    }
    if (pair->next_peer < peers.size() + pair->prefixes.size()) break;
    pair.reset();
    next_direction = 1 - next_direction;
    if (next_direction == 0) ++next_subject;
  }
  return budget;
}

PolicyDiffer::PolicyDiffer(Mirrors* mirrors, ClusterMirror* own, const Planner* planner, Executor* executor,
                           Clock* clock, Options options)
    : mirrors_(mirrors),
      own_(own),
      planner_(planner),
      executor_(executor),
      clock_(clock),
      options_(options) {}

absl::StatusOr<v1::ApplyResult> PolicyDiffer::Plan(const v1::PolicyDiffRequest& request, const Caller& caller,
                                                   Draft* draft) const {
  if (!request.delete_()) {
    v1::Request apply;
    *apply.mutable_apply()->mutable_manifests() = request.manifests();
    apply.mutable_apply()->set_default_namespace(request.default_namespace());
    TRIVIUM_ASSIGN_OR_RETURN(const Planned planned, planner_->Plan(apply, caller, draft));
    return planned.reply.apply();
  }
  v1::ApplyResult result;
  std::vector<policy::Parsed> parsed;
  for (const v1::Manifest& manifest : request.manifests()) {
    policy::ParseContext context;
    context.file = manifest.file();
    context.cluster = planner_->config().cluster;
    if (!request.default_namespace().empty()) context.default_namespace = request.default_namespace();
    TRIVIUM_ASSIGN_OR_RETURN(std::vector<policy::Parsed> some,
                             policy::ParseManifests(manifest.text(), context));
    std::move(some.begin(), some.end(), std::back_inserter(parsed));
  }
  for (auto it = parsed.rbegin(); it != parsed.rend(); ++it) {
    v1::ApplyResult::Item* item = result.add_items();
    if (it->object.has_policy()) {
      item->set_kind(it->object.policy().kind());
      item->set_namespace_(it->object.policy().namespace_());
      item->set_name(it->object.policy().name());
    } else {
      item->set_kind(it->object.has_namespace_() ? "Namespace" : "CiliumCIDRGroup");
      item->set_name(KeyOf(it->object).key);
    }
    v1::Request remove;
    remove.mutable_delete_()->set_kind(item->kind());
    remove.mutable_delete_()->set_namespace_(item->namespace_());
    remove.mutable_delete_()->set_name(item->name());
    TRIVIUM_ASSIGN_OR_RETURN(const Planned planned, planner_->Plan(remove, caller, draft));
    if (planned.deferred) {
      return absl::InvalidArgumentError("more objects than one batch holds: compare them in pieces");
    }
    item->set_action("deleted");
  }
  return result;
}

absl::StatusOr<std::shared_ptr<PolicyDiffer::Job>> PolicyDiffer::Begin(const v1::PolicyDiffRequest& request,
                                                                       const Caller& caller) {
  if (!own_->loaded()) {
    return absl::UnavailableError(
        absl::StrCat("cluster ", own_->ref().name, " is not loaded yet: try again"));
  }
  auto job = std::make_shared<Job>();
  v1::PolicyDiffResult* result = job->reply.mutable_policy_diff();
  v1::Changes changes;
  {
    Draft draft(&own_->mirror(), own_->index(), own_->position().revision + 1);
    TRIVIUM_ASSIGN_OR_RETURN(*result->mutable_apply(), Plan(request, caller, &draft));
    changes = draft.ToChanges();
  }
  for (Policies* policies : {&job->before, &job->after}) {
    for (const auto& [key, stored] : own_->mirror().All(v1::KIND_POLICY)) policies->Set(key, stored.object);
    for (const auto& [key, stored] : own_->mirror().All(v1::KIND_CIDR_GROUP)) {
      policies->groups().Set(stored.object->cidr_group());
    }
  }
  std::vector<v1::CidrGroup> groups;  // as they were, and as they will be
  for (const v1::Change& change : changes.changes()) {
    const ObjectKey key = KeyOf(change);
    const v1::Object* was = own_->mirror().Find(key.kind, key.key);
    const bool gone = change.op() == v1::Change::DELETE;
    if (key.kind == v1::KIND_POLICY) {
      if (was != nullptr) job->NoteChanged(was->policy());
      if (gone) {
        job->after.Erase(key.key);
      } else {
        job->NoteChanged(change.object().policy());
        job->after.Set(key.key, std::make_shared<const v1::Object>(change.object()));
      }
    } else if (key.kind == v1::KIND_CIDR_GROUP) {
      if (was != nullptr) groups.push_back(was->cidr_group());
      if (gone) {
        job->after.groups().Remove(key.key);
      } else {
        groups.push_back(change.object().cidr_group());
        job->after.groups().Set(change.object().cidr_group());
      }
    }
  }
  for (const Policies* policies : {&job->before, &job->after}) {
    for (const auto& [key, object] : policies->all()) {
      const bool refers = std::any_of(
          groups.begin(), groups.end(),
          [&o = object](const v1::CidrGroup& group) { return policy::RefersTo(o->policy(), group); });
      if (refers) job->NoteChanged(object->policy());
    }
  }
  job->before.BuildIndex();
  job->after.BuildIndex();

  for (v1::Identity& identity : policy::ReservedIdentities()) {
    auto object = std::make_shared<v1::Object>();
    *object->mutable_identity() = std::move(identity);
    job->peers.push_back(std::move(object));
  }
  for (const auto& [name, entry] : mirrors_->all()) {
    const ClusterMirror& mirror = *entry->mirror;
    if (name == kMeshCluster || !mirror.loaded()) continue;
    std::vector<Mirror::ObjectPtr> identities;
    for (const auto& [key, stored] : mirror.mirror().All(v1::KIND_IDENTITY))
      identities.push_back(stored.object);
    std::sort(identities.begin(), identities.end(),
              [](const Mirror::ObjectPtr& a, const Mirror::ObjectPtr& b) {
                return a->identity().id() < b->identity().id();
              });
    if (&mirror == own_) job->subjects = identities;
    std::move(identities.begin(), identities.end(), std::back_inserter(job->peers));
    *result->add_at() = mirror.replica().head();
    result->mutable_at(result->at_size() - 1)->set_cluster(name);
  }
  for (const auto& [key, stored] : own_->mirror().All(v1::KIND_ENDPOINT)) {
    ++job->endpoints[stored.object->endpoint().identity()];
  }
  job->max_flows = options_.max_flows;
  if (request.max_flows() > 0) job->max_flows = std::min<size_t>(job->max_flows, request.max_flows());
  job->bytes = job->reply.ByteSizeLong();
  return job;
}

void PolicyDiffer::Diff(const v1::PolicyDiffRequest& request, const Caller& caller, absl::Duration timeout,
                        Answer answer) {
  if (running_ >= options_.max_running) {
    return answer(ErrorReply(absl::ResourceExhaustedError(
        absl::StrCat(running_, " comparisons of policies are under way: try again when they are done"))));
  }
  absl::StatusOr<std::shared_ptr<Job>> job = Begin(request, caller);
  if (!job.ok()) return answer(ErrorReply(job.status()));
  (*job)->answer = std::move(answer);
  (*job)->deadline = clock_->Monotonic() + timeout;
  ++running_;
  Step(*job);
}

void PolicyDiffer::Step(const std::shared_ptr<Job>& job) {
  job->Compare(options_.comparisons);
  if (job->done()) {
    --running_;
    return job->answer(job->reply);
  }
  if (clock_->Monotonic() >= job->deadline) {
    --running_;
    return job->answer(ErrorReply(absl::FailedPreconditionError(
        absl::StrCat("not done in time: ", job->next_subject, " of ", job->subjects.size(),
                     " identities compared; give it longer (--timeout), or fewer manifests at once"))));
  }
  executor_->Post([this, alive = alive_.Watch(), job] {
    if (!alive.expired()) Step(job);
  });
}

}  // namespace trivium
