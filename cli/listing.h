// The objects that a `get` is about, of one or many clusters, and how they are printed. Blocking, for main
// threads only.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/fetcher.h"
#include "cli/get_format.h"
#include "cli/label_selector.h"
#include "cli/wanted.h"

namespace trivium::cli {

struct ListOptions {
  std::string ns;  // of namespaced kinds; empty: all
  bool all_namespaces = false;
  bool all_clusters = false;
  std::vector<std::string> clusters;
  LabelSelector labels;
  GetFormat format;
  bool no_headers = false;
};

struct Listed {
  std::string cluster;
  v1::GetResult::Item item;
};

struct Listing {
  const KindInfo* kind = nullptr;
  bool one = false;  // a single object was asked for by its name
  std::vector<Listed> objects;
  std::vector<absl::Status> missing;   // names that are not there
  std::map<std::string, v1::Head> at;  // by cluster: what the answer rests on
};

// Manifests are there if the format or the selector needs them.
absl::StatusOr<Listing> List(Fetcher* fetcher, const Wanted& wanted, const ListOptions& options);

// All of them in the format; tables one below the other. Nothing found is said on `err`.
absl::Status PrintListings(Session* session, Fetcher* fetcher, const std::vector<Listing>& listings,
                           const ListOptions& options);

// One object as `json`, with its cluster where several are asked about.
absl::StatusOr<Json> ListedJson(const KindInfo& kind, const Listed& listed, bool all_clusters);

}  // namespace trivium::cli
