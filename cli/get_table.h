// `get` as a table, with kubectl's columns where kubectl has such a kind. Pure.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "cli/kinds.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::cli {

struct GetView {
  bool wide = false;
  bool with_namespace = false;  // -A: a column for the namespace
  bool with_head = true;
  bool with_kind = false;             // of several kinds: names are written resource/name
  std::vector<std::string> clusters;  // a column for the cluster, parallel to the items; empty: none
  std::vector<std::string> events;    // a column for what happened to it, parallel to the items; empty: none
  std::vector<size_t>* widths = nullptr;  // of columns: Table::ToString
  // For endpoints: (cluster, number) -> name; the cluster is "" without the column.
  std::map<std::pair<std::string, uint32_t>, std::string> nodes;
  std::map<uint32_t, v1::Identity> identities;  // number -> identity, for endpoints in the wide form
};

std::string GetTable(const KindInfo& kind, absl::Span<const v1::GetResult::Item> items, const GetView& view);
// One "resource/name" a line, for -o name.
std::string GetNames(const KindInfo& kind, absl::Span<const v1::GetResult::Item> items);
// The name that users know the object by (an endpoint by its name, not by its uid).
std::string DisplayName(const v1::Object& object);
// The namespace it is in, "" for kinds without.
std::string NamespaceOf(const v1::Object& object);

}  // namespace trivium::cli
