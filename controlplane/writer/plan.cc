#include "controlplane/writer/plan.h"

namespace trivium {

AuditRow AuditOf(const Caller& caller, absl::string_view verb, const ObjectKey& key, std::string manifest) {
  AuditRow row;
  row.actor = caller.principal.ToString();
  row.source = caller.source;
  row.request_id = caller.request_id;
  row.verb = std::string(verb);
  row.kind = key.kind;
  row.key = key.key;
  row.manifest = std::move(manifest);
  row.time_us = caller.time_us;
  return row;
}

v1::Meta NewMeta(Random* random) {
  v1::Meta meta;
  meta.set_uid(random->NewId().ToBytes());
  meta.set_generation(1);
  return meta;
}

}  // namespace trivium
