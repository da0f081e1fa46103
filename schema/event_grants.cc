#include "schema/event_grants.h"

#include "absl/strings/str_cat.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

std::vector<std::string> Kinds() {
  std::vector<std::string> kinds;
  for (int kind = v1::KIND_REGION; kind <= v1::Kind_MAX; ++kind) {
    kinds.emplace_back(KindName(static_cast<v1::Kind>(kind)));
  }
  return kinds;
}

}  // namespace

bool IsEventKind(absl::string_view kind) {
  for (const std::string& known : Kinds()) {
    if (known == kind) return true;
  }
  return false;
}

std::string EventKindList() {
  std::string list;
  for (const std::string& kind : Kinds()) absl::StrAppend(&list, list.empty() ? "" : ", ", kind);
  return list;
}

std::vector<std::pair<std::string, std::string>> EventConsumers(absl::string_view subscriber,
                                                                absl::string_view cluster,
                                                                const std::vector<std::string>& kinds) {
  if (kinds.empty()) return {{EventConsumerName(subscriber), subjects::EveryEvent(cluster)}};
  std::vector<std::pair<std::string, std::string>> consumers;
  for (const std::string& kind : kinds) {
    consumers.emplace_back(EventConsumerName(subscriber, kind), subjects::EveryEventOf(cluster, kind));
  }
  consumers.emplace_back(EventConsumerName(subscriber, kLogEvents),
                         subjects::EveryEventOf(cluster, kLogEvents));
  return consumers;
}

}  // namespace trivium
