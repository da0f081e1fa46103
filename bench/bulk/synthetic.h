// A made-up mesh of any size, as the rows that a database would hold of it: so that bulk measurements need
// not push every endpoint through a request. The same options make the same mesh.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schema/codec.h"
#include "tests/support/fake_store.h"

namespace trivium::bench {

struct SyntheticOptions {
  uint32_t clusters = 250;
  uint32_t endpoints = 1000;  // of each cluster, with one IPv4 address each
  uint32_t identities = 100;  // of each cluster
  uint32_t nodes = 100;       // of each cluster
};

constexpr uint32_t kHome = 1;
constexpr char kRegion[] = "bench-1";

// Clusters are numbered from 1.
std::string ClusterName(uint32_t cluster);
ClusterRef RefOf(uint32_t cluster);
// Where the pods of a cluster live: disjoint, and large enough.
v1::Cidr PodCidr(const SyntheticOptions& options, uint32_t cluster);

// Of the first cluster's, counted from the end of its pod network: nobody has the last 16.
std::string FreeAddress(const SyntheticOptions& options, uint32_t from_end);

v1::Object SyntheticEndpoint(const SyntheticOptions& options, uint32_t cluster, uint32_t index);

// The mesh's own rows and those of every cluster, at a revision with an empty log after it.
FakeDatabase::Rows MakeRows(const SyntheticOptions& options);

}  // namespace trivium::bench
