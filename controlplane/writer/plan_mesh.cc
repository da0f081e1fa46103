#include "controlplane/writer/plan_mesh.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/writer/addresses.h"
#include "controlplane/writer/identity_allocator.h"
#include "controlplane/writer/planner.h"
#include "google/protobuf/util/message_differencer.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

absl::Status CheckForm(const ClusterRegistration& wanted) {
  for (const std::string* name : {&wanted.region, &wanted.cluster}) {
    if (!IsSubjectToken(*name) || name->find(':') != std::string::npos || (*name)[0] == '_') {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", *name, "\" is not a name: want letters, digits, '-' and '_', beginning with no '_'"));
    }
  }
  if (wanted.cluster_id == 0 || wanted.home == 0) {
    return absl::InvalidArgumentError("cluster_id and region.home begin at 1: 0 is the mesh itself");
  }
  for (size_t i = 0; i < wanted.pod_cidrs.size(); ++i) {
    TRIVIUM_RETURN_IF_ERROR(CheckCidr(wanted.pod_cidrs[i]));
    for (size_t j = 0; j < i; ++j) {
      if (Overlap(wanted.pod_cidrs[i], wanted.pod_cidrs[j])) {
        return absl::InvalidArgumentError(absl::StrCat("pod CIDRs ", CidrText(wanted.pod_cidrs[j]), " and ",
                                                       CidrText(wanted.pod_cidrs[i]), " overlap"));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRegions(const ClusterRegistration& wanted, const Draft& draft) {
  absl::Status status;
  draft.ForEach(v1::KIND_REGION, [&](const v1::Object& object) {
    const v1::Region& other = object.region();
    if ((other.name() == wanted.region) == (other.home() == wanted.home)) return;
    status = absl::FailedPreconditionError(
        absl::StrCat("region ", wanted.region, " with home ", wanted.home, ": the mesh knows region ",
                     other.name(), " with home ", other.home(), ": correct `region` in the configuration"));
  });
  return status;
}

absl::Status CheckClusters(const ClusterRegistration& wanted, const Draft& draft) {
  absl::Status status;
  draft.ForEach(v1::KIND_CLUSTER, [&](const v1::Object& object) {
    const v1::Cluster& other = object.cluster();
    const std::string theirs = absl::StrCat("cluster ", other.name(), " (id ", other.id(), ")");
    const std::string ours = absl::StrCat("cluster ", wanted.cluster, " (id ", wanted.cluster_id, ")");
    if ((other.name() == wanted.cluster) != (other.id() == wanted.cluster_id)) {
      status = absl::FailedPreconditionError(
          absl::StrCat(ours, ": the mesh knows ", theirs, ": correct `cluster` or `cluster_id`"));
      return;
    }
    if (other.name() == wanted.cluster) {
      if (other.region() != wanted.region || other.address_space() != wanted.address_space) {
        status = absl::FailedPreconditionError(
            absl::StrCat(ours, " in region ", wanted.region, ", address space ", wanted.address_space,
                         ": the mesh knows it in region ", other.region(), ", address space ",
                         other.address_space(), ": neither can change: correct the configuration"));
      }
      return;
    }
    if (other.address_space() != wanted.address_space) return;
    for (const v1::Cidr& a : wanted.pod_cidrs) {
      for (const v1::Cidr& b : other.pod_cidrs()) {
        if (!Overlap(a, b)) continue;
        status = absl::FailedPreconditionError(absl::StrCat(
            ours, ": pod CIDR ", CidrText(a), " overlaps ", CidrText(b), " of ", theirs, " in address space ",
            wanted.address_space, ": choose another CIDR or another address space"));
      }
    }
  });
  return status;
}

absl::Status RegisterCluster(const ClusterRegistration& wanted, Random* random, Draft* draft) {
  TRIVIUM_RETURN_IF_ERROR(CheckForm(wanted));
  TRIVIUM_RETURN_IF_ERROR(CheckRegions(wanted, *draft));
  TRIVIUM_RETURN_IF_ERROR(CheckClusters(wanted, *draft));
  if (draft->Find(v1::KIND_REGION, wanted.region) == nullptr) {
    v1::Object object;
    v1::Region* region = object.mutable_region();
    *region->mutable_meta() = NewMeta(random);
    region->set_name(wanted.region);
    region->set_home(wanted.home);
    draft->Upsert(std::move(object));
  }
  v1::Object object;
  v1::Cluster* cluster = object.mutable_cluster();
  cluster->set_name(wanted.cluster);
  cluster->set_id(wanted.cluster_id);
  cluster->set_region(wanted.region);
  cluster->set_address_space(wanted.address_space);
  for (const v1::Cidr& cidr : wanted.pod_cidrs) *cluster->add_pod_cidrs() = cidr;
  const v1::Object* before = draft->Find(v1::KIND_CLUSTER, wanted.cluster);
  if (before == nullptr) {
    *cluster->mutable_meta() = NewMeta(random);
  } else {
    *cluster->mutable_meta() = before->cluster().meta();
    if (google::protobuf::util::MessageDifferencer::Equals(before->cluster(), *cluster)) {
      return absl::OkStatus();
    }
    cluster->mutable_meta()->set_generation(cluster->meta().generation() + 1);
  }
  draft->Upsert(std::move(object));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Planned> PlanRegisterCluster(const ClusterRegistration& wanted, const Caller& caller,
                                            Random* random, Draft* draft) {
  return PlanAtomically(caller, draft, [&]() -> absl::StatusOr<Planned> {
    TRIVIUM_RETURN_IF_ERROR(RegisterCluster(wanted, random, draft));
    Planned planned;
    if (draft->touched()) {
      planned.audit.push_back(
          AuditOf(caller, "register-cluster", ObjectKey{v1::KIND_CLUSTER, wanted.cluster}));
    }
    return planned;
  });
}

absl::StatusOr<Planned> PlanLeaseBlock(uint32_t cluster_id, size_t enough, const Caller& caller,
                                       Random* random, Draft* draft) {
  return PlanAtomically(caller, draft, [&]() -> absl::StatusOr<Planned> {
    size_t mine = 0;
    uint32_t first = kFirstIdentity;
    draft->ForEach(v1::KIND_IDENTITY_BLOCK, [&](const v1::Object& object) {
      const v1::IdentityBlock& block = object.identity_block();
      if (block.cluster_id() == cluster_id) ++mine;
      first = std::max(first, block.first() + block.count());
    });
    if (mine >= enough) return Planned();
    if (first + kIdentityBlockSize > kIdentityLimit) {
      return absl::ResourceExhaustedError("every block of the mesh's 24-bit identity space is leased");
    }
    v1::Object object;
    v1::IdentityBlock* block = object.mutable_identity_block();
    *block->mutable_meta() = NewMeta(random);
    block->set_first(first);
    block->set_count(kIdentityBlockSize);
    block->set_cluster_id(cluster_id);
    draft->Upsert(std::move(object));
    return Planned();
  });
}

}  // namespace trivium
