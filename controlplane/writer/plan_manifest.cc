#include "controlplane/writer/plan_manifest.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/writer/kinds.h"
#include "controlplane/writer/plan_endpoint.h"
#include "controlplane/writer/plan_node.h"
#include "google/protobuf/util/message_differencer.h"
#include "policy/labels.h"
#include "policy/parse.h"
#include "schema/object.h"

namespace trivium {
namespace {

// One document, and where it came from.
struct Document {
  std::string file;
  policy::Parsed parsed;
};

std::string Where(const Document& document) { return absl::StrCat(document.file, ":", document.parsed.line); }

absl::StatusOr<std::vector<Document>> Parse(const PlanContext& context, const v1::ApplyRequest& request) {
  if (request.manifests().empty()) return absl::InvalidArgumentError("apply: no manifest given");
  size_t bytes = 0;
  for (const v1::Manifest& manifest : request.manifests()) bytes += manifest.text().size();
  if (bytes > policy::kMaxManifestBytes) {
    return absl::InvalidArgumentError(absl::StrCat("manifests of ", bytes, " bytes; at most ",
                                                   policy::kMaxManifestBytes, ": apply them in pieces"));
  }
  std::vector<Document> documents;
  for (const v1::Manifest& manifest : request.manifests()) {
    policy::ParseContext parse;
    parse.file = manifest.file().empty() ? "manifest" : manifest.file();
    parse.cluster = context.config.cluster;
    if (!request.default_namespace().empty()) parse.default_namespace = request.default_namespace();
    TRIVIUM_RETURN_IF_ERROR(policy::CheckName("namespace", parse.default_namespace));
    TRIVIUM_ASSIGN_OR_RETURN(std::vector<policy::Parsed> parsed,
                             policy::ParseManifests(manifest.text(), parse));
    for (policy::Parsed& one : parsed) documents.push_back(Document{parse.file, std::move(one)});
  }
  std::set<ObjectKey> seen;
  for (const Document& document : documents) {
    const ObjectKey key = KeyOf(document.parsed.object);
    if (!seen.insert(key).second) {
      return absl::InvalidArgumentError(absl::StrCat(Where(document), ": ", KindName(key.kind), " ", key.key,
                                                     " is given twice in one request: leave one out"));
    }
  }
  return documents;
}

bool SameBesideMeta(const v1::Object& before, v1::Object after) {
  *MutableMetaOf(&after) = MetaOf(before);
  return google::protobuf::util::MessageDifferencer::Equals(before, after);
}

// Writes one object; fills `item` and what SQL keeps of it.
absl::Status ApplyOne(const PlanContext& context, const Document& document, v1::ApplyResult::Item* item,
                      Planned* planned) {
  v1::Object object = document.parsed.object;
  if (object.has_namespace_()) {
    item->set_kind("Namespace");
    item->set_name(object.namespace_().name());
    (*object.mutable_namespace_()->mutable_labels())[policy::kMetadataName] = object.namespace_().name();
  } else if (object.has_policy()) {
    const v1::Policy& policy = object.policy();
    item->set_kind(policy.kind());
    item->set_namespace_(policy.namespace_());
    item->set_name(policy.name());
    if (!policy.namespace_().empty() &&
        context.draft->Find(v1::KIND_NAMESPACE, policy.namespace_()) == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat(Where(document), ": ", DisplayName(policy.kind(), policy.namespace_(), policy.name()),
                       ": namespace \"", policy.namespace_(), "\" does not exist in cluster ",
                       context.config.cluster, ": create it first, or put it into the same request"));
    }
  } else if (object.has_cidr_group()) {
    item->set_kind("CiliumCIDRGroup");
    item->set_name(object.cidr_group().name());
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat(Where(document), ": ", KindName(KindOf(object)), " cannot be applied"));
  }

  const ObjectKey key = KeyOf(object);
  const v1::Object* before = context.draft->Find(key.kind, key.key);
  if (before != nullptr && SameBesideMeta(*before, object)) {
    item->set_action("unchanged");
    return absl::OkStatus();
  }
  item->set_action(before == nullptr ? "created" : "configured");
  v1::Meta* meta = MutableMetaOf(&object);
  if (before == nullptr) {
    *meta = NewMeta(context.random);
  } else {
    *meta = MetaOf(*before);
    meta->set_generation(meta->generation() + 1);
  }
  planned->manifests.emplace_back(key, document.parsed.text);
  planned->audit.push_back(AuditOf(context.caller, "apply", key, document.parsed.text));
  const v1::Namespace ns = object.namespace_();
  context.draft->Upsert(std::move(object));
  if (key.kind == v1::KIND_NAMESPACE && before != nullptr) {
    // The rest follows in pieces of its own (identity/namespace_mover.h).
    return ReidentifyNamespace(context, ns, context.draft->size() + kMovesInOnePiece);
  }
  return absl::OkStatus();
}

absl::Status DeleteNamespace(const PlanContext& context, const std::string& name) {
  Draft* draft = context.draft;
  if (name == kDefaultNamespace) {
    return absl::InvalidArgumentError("Namespace default cannot be deleted: every cluster has it");
  }
  if (draft->Find(v1::KIND_NAMESPACE, name) == nullptr) {
    return absl::NotFoundError(absl::StrCat("Namespace ", name, " does not exist in cluster ",
                                            context.config.cluster,
                                            ": `get namespaces` lists those that do"));
  }
  const ClusterIndex::Keys policies = draft->index().PoliciesIn(name);
  for (const std::string& key : policies) draft->Delete(ObjectKey{v1::KIND_POLICY, key});
  const ClusterIndex::Keys endpoints = draft->index().EndpointsIn(name);
  for (const std::string& key : endpoints) draft->Delete(ObjectKey{v1::KIND_ENDPOINT, key});
  draft->Delete(ObjectKey{v1::KIND_NAMESPACE, name});
  return absl::OkStatus();
}

// A policy or a CIDR group.
absl::Status DeleteOne(const PlanContext& context, const NamedKind& kind, const ObjectKey& key,
                       const std::string& ns, const std::string& name) {
  if (context.draft->Find(key.kind, key.key) == nullptr) {
    return absl::NotFoundError(absl::StrCat(DisplayName(kind.name, ns, name), " does not exist in cluster ",
                                            context.config.cluster, ": `get ", kind.name,
                                            "` lists those that do"));
  }
  context.draft->Delete(key);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Planned> PlanApply(const PlanContext& context, const v1::ApplyRequest& request) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Document> documents, Parse(context, request));
  Planned planned;
  v1::ApplyResult* result = planned.reply.mutable_apply();
  for (size_t i = 0; i < documents.size(); ++i) result->add_items();
  for (const bool namespaces : {true, false}) {
    for (size_t i = 0; i < documents.size(); ++i) {
      if (documents[i].parsed.object.has_namespace_() != namespaces) continue;
      TRIVIUM_RETURN_IF_ERROR(
          ApplyOne(context, documents[i], result->mutable_items(static_cast<int>(i)), &planned));
      if (!context.draft->fits()) return planned;  // the planner reports it
    }
  }
  return planned;
}

absl::StatusOr<Planned> PlanDelete(const PlanContext& context, const v1::DeleteRequest& request) {
  TRIVIUM_ASSIGN_OR_RETURN(const NamedKind kind, ParseKind(request.kind()));
  if (request.name().empty()) {
    return absl::InvalidArgumentError(absl::StrCat("delete ", kind.name, ": a name is missing"));
  }
  Planned planned;
  ObjectKey key{kind.kind, request.name()};
  switch (kind.kind) {
    case v1::KIND_POLICY: {
      std::string ns;
      if (kind.namespaced) ns = request.namespace_().empty() ? kDefaultNamespace : request.namespace_();
      key.key = PolicyKey(kind.name, ns, request.name());
      TRIVIUM_RETURN_IF_ERROR(DeleteOne(context, kind, key, ns, request.name()));
      break;
    }
    case v1::KIND_CIDR_GROUP:
      TRIVIUM_RETURN_IF_ERROR(DeleteOne(context, kind, key, "", request.name()));
      break;
    case v1::KIND_NAMESPACE:
      TRIVIUM_RETURN_IF_ERROR(DeleteNamespace(context, request.name()));
      break;
    case v1::KIND_NODE:
      TRIVIUM_RETURN_IF_ERROR(DeleteNode(context, request.name()));
      break;
    case v1::KIND_ENDPOINT:
      return absl::InvalidArgumentError(
          "delete Endpoint: endpoints are removed through the agent of their node "
          "(triviumctl endpoint del), or with their node or namespace");
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          "delete ", kind.name, ": not possible; policies, CiliumCIDRGroup, Namespace and Node are"));
  }
  planned.audit.push_back(AuditOf(context.caller, "delete", key));
  return planned;
}

absl::StatusOr<Planned> PlanDefaultNamespace(const PlanContext& context) {
  if (context.draft->Find(v1::KIND_NAMESPACE, kDefaultNamespace) != nullptr) return Planned();
  v1::Object object;
  v1::Namespace* ns = object.mutable_namespace_();
  *ns->mutable_meta() = NewMeta(context.random);
  ns->set_name(kDefaultNamespace);
  (*ns->mutable_labels())[policy::kMetadataName] = kDefaultNamespace;
  context.draft->Upsert(std::move(object));
  return Planned();
}

}  // namespace trivium
