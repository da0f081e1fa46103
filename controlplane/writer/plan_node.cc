#include "controlplane/writer/plan_node.h"

#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/writer/addresses.h"
#include "google/protobuf/util/message_differencer.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

constexpr int kMaxAddresses = 8;
constexpr int kMaxPodCidrs = 64;

absl::Status CheckAddresses(const v1::Node& node) {
  if (node.addresses().empty() || node.addresses_size() > kMaxAddresses) {
    return absl::InvalidArgumentError(
        absl::StrCat(node.addresses_size(), " underlay addresses: want 1 to ", kMaxAddresses));
  }
  if (node.inner_addresses_size() > kMaxAddresses) {
    return absl::InvalidArgumentError(
        absl::StrCat(node.inner_addresses_size(), " inner addresses: want at most ", kMaxAddresses));
  }
  std::set<std::string> seen;
  for (const auto* list : {&node.addresses(), &node.inner_addresses()}) {
    for (const std::string& ip : *list) {
      TRIVIUM_RETURN_IF_ERROR(CheckHostAddress(ip));
      if (!seen.insert(ip).second) {
        return absl::InvalidArgumentError(absl::StrCat("address ", AddressText(ip), ": given twice"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPodCidrs(const PlanContext& context, const v1::Node& node) {
  if (node.pod_cidrs_size() > kMaxPodCidrs) {
    return absl::InvalidArgumentError(
        absl::StrCat(node.pod_cidrs_size(), " pod CIDRs: want at most ", kMaxPodCidrs));
  }
  for (int i = 0; i < node.pod_cidrs_size(); ++i) {
    const v1::Cidr& cidr = node.pod_cidrs(i);
    TRIVIUM_RETURN_IF_ERROR(CheckCidr(cidr));
    for (int j = 0; j < i; ++j) {
      if (Overlap(cidr, node.pod_cidrs(j))) {
        return absl::InvalidArgumentError(absl::StrCat("pod CIDRs ", CidrText(node.pod_cidrs(j)), " and ",
                                                       CidrText(cidr), " overlap: give one of them"));
      }
    }
    bool inside = context.config.pod_cidrs.empty();
    for (const v1::Cidr& outer : context.config.pod_cidrs) {
      inside |= outer.length() <= cidr.length() && Overlap(outer, cidr);
    }
    if (!inside) {
      return absl::InvalidArgumentError(
          absl::StrCat("pod CIDR ", CidrText(cidr), " is outside of those of cluster ",
                       context.config.cluster, ": choose one inside, or add it to pod_cidrs there"));
    }
  }
  for (const std::string& ip : node.inner_addresses()) {
    bool inside = false;
    for (const v1::Cidr& cidr : node.pod_cidrs()) inside |= Contains(cidr, ip);
    if (!inside) {
      return absl::InvalidArgumentError(absl::StrCat(
          "inner address ", AddressText(ip), " is in none of the node's pod CIDRs: choose one of theirs"));
    }
  }
  return absl::OkStatus();
}

// No pod of `pods` can have an underlay address of `node`.
absl::Status CheckApart(const v1::Node& pods, const v1::Node& node) {
  for (const v1::Cidr& cidr : pods.pod_cidrs()) {
    for (const std::string& ip : node.addresses()) {
      if (!Contains(cidr, ip)) continue;
      return absl::InvalidArgumentError(absl::StrCat("pod CIDR ", CidrText(cidr), " of node ", pods.name(),
                                                     " holds the underlay address ", AddressText(ip),
                                                     " of node ", node.name(), ": keep the two apart"));
    }
  }
  return absl::OkStatus();
}

// Nothing of the node's is another's.
absl::Status CheckOthers(const PlanContext& context, const v1::Node& node) {
  absl::Status status = CheckApart(node, node);
  context.draft->ForEach(v1::KIND_NODE, [&](const v1::Object& object) {
    const v1::Node& other = object.node();
    if (other.name() == node.name()) return;
    status.Update(CheckApart(node, other));
    status.Update(CheckApart(other, node));
    for (const std::string& ip : node.addresses()) {
      for (const std::string& theirs : other.addresses()) {
        if (ip != theirs) continue;
        status = absl::AlreadyExistsError(absl::StrCat(
            "underlay address ", AddressText(ip), " belongs to node ", other.name(),
            ": if that one is gone, delete it first (triviumctl delete node ", other.name(), ")"));
      }
    }
    for (const v1::Cidr& cidr : node.pod_cidrs()) {
      for (const v1::Cidr& theirs : other.pod_cidrs()) {
        if (!Overlap(cidr, theirs)) continue;
        status =
            absl::AlreadyExistsError(absl::StrCat("pod CIDR ", CidrText(cidr), " overlaps ", CidrText(theirs),
                                                  " of node ", other.name(), ": give each node its own"));
      }
    }
  });
  TRIVIUM_RETURN_IF_ERROR(status);
  for (const auto* list : {&node.addresses(), &node.inner_addresses()}) {
    for (const std::string& ip : *list) {
      const std::string owner = context.draft->index().EndpointByAddress(context.config.address_space, ip);
      if (owner.empty()) continue;
      return absl::AlreadyExistsError(
          absl::StrCat("address ", AddressText(ip), " belongs to the endpoint with uid ", owner));
    }
  }
  return absl::OkStatus();
}

// A number that no node of this cluster has or ever had: that of the revision which creates the node, for
// which a revision creates at most one. 0 means that this draft has created one already.
absl::StatusOr<uint32_t> NewNumber(Draft* draft) {
  bool created = false;
  uint32_t highest = 0;
  draft->ForEach(v1::KIND_NODE, [&](const v1::Object& object) {
    highest = std::max(highest, object.node().number());
    created |= draft->Created(v1::KIND_NODE, object.node().name());
  });
  if (created) return 0u;
  const uint64_t number = std::max<uint64_t>(draft->revision(), uint64_t{highest} + 1);
  if (number > std::numeric_limits<uint32_t>::max()) {
    return absl::ResourceExhaustedError("the cluster's node numbers are used up");
  }
  return static_cast<uint32_t>(number);
}

}  // namespace

absl::StatusOr<Planned> PlanRegisterNode(const PlanContext& context, const v1::RegisterNodeRequest& request) {
  const v1::Node& wanted = request.node();
  const Principal& p = context.caller.principal;
  if (p.role != "node" || p.name != wanted.name()) {
    return absl::PermissionDeniedError(absl::StrCat(
        "node \"", wanted.name(), "\": only the node itself may register it, not ", p.ToString()));
  }
  const std::string what = absl::StrCat("node ", wanted.name());
  if (!IsSubjectToken(wanted.name()) || wanted.name().find(':') != std::string::npos ||
      wanted.name().size() > 63) {
    return absl::InvalidArgumentError(
        absl::StrCat("node \"", wanted.name(), "\": a node's name has 1 to 63 letters, digits, '-' or '_'"));
  }
  if (wanted.boot_id().empty() || wanted.boot_id().size() > 64 || wanted.zone().size() > 63) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": want a boot id of 1 to 64 characters and a zone of at most 63"));
  }
  if (absl::Status s = CheckAddresses(wanted); !s.ok()) return Annotate(s, what);
  if (absl::Status s = CheckPodCidrs(context, wanted); !s.ok()) return Annotate(s, what);
  if (absl::Status s = CheckOthers(context, wanted); !s.ok()) return Annotate(s, what);

  Draft* draft = context.draft;
  v1::Object object;
  v1::Node* node = object.mutable_node();
  *node = wanted;
  const v1::Object* before = draft->Find(v1::KIND_NODE, wanted.name());
  Planned planned;
  if (before == nullptr) {
    TRIVIUM_ASSIGN_OR_RETURN(const uint32_t number, NewNumber(draft));
    if (number == 0) {
      draft->Defer("one revision creates one node");
      return planned;
    }
    node->set_number(number);
    *node->mutable_meta() = NewMeta(context.random);
  } else {
    node->set_number(before->node().number());
    *node->mutable_meta() = before->node().meta();
    planned.reply.mutable_register_node()->set_number(node->number());
    if (google::protobuf::util::MessageDifferencer::Equals(before->node(), *node)) return planned;
    node->mutable_meta()->set_generation(before->node().meta().generation() + 1);
  }
  planned.reply.mutable_register_node()->set_number(node->number());
  planned.audit.push_back(AuditOf(context.caller, "register-node", KeyOf(object)));
  draft->Upsert(std::move(object));
  return planned;
}

absl::Status DeleteNode(const PlanContext& context, const std::string& name) {
  Draft* draft = context.draft;
  const v1::Object* object = draft->Find(v1::KIND_NODE, name);
  if (object == nullptr) {
    return absl::NotFoundError(absl::StrCat("Node ", name, " does not exist in cluster ",
                                            context.config.cluster, ": `get nodes` lists those that do"));
  }
  const ClusterIndex::Keys endpoints = draft->index().EndpointsOn(object->node().number());
  for (const std::string& key : endpoints) draft->Delete(ObjectKey{v1::KIND_ENDPOINT, key});
  const ObjectKey liveness{v1::KIND_LIVENESS, absl::StrCat(context.config.cluster, "/", name)};
  if (draft->Find(liveness.kind, liveness.key) != nullptr) draft->Delete(liveness);
  draft->Delete(ObjectKey{v1::KIND_NODE, name});
  return absl::OkStatus();
}

}  // namespace trivium
