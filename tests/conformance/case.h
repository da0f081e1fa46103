// A conformance case as its file says it (the format: shared conformance FORMAT; summary in README.md beside
// this file). Value types; parsing is pure and strict: a field that the format does not have is an error that
// names it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::conformance {

using Labels = std::map<std::string, std::string>;

struct Pod {
  std::string ns;
  std::string name;
  Labels labels;
  std::string service_account = "default";
  std::string node;              // empty: anywhere
  std::vector<std::string> ips;  // 4 or 16 bytes each
  std::vector<v1::NamedPort> ports;
};

struct Namespace {
  std::string name;
  Labels labels;
};

struct Cluster {
  std::string name;
  std::vector<Namespace> namespaces;
  std::vector<Pod> pods;
};

struct External {
  std::string name;
  std::vector<std::string> ips;
};

struct Action {
  enum class Kind {
    kApply,
    kDelete,
    kCreateNamespace,
    kDeleteNamespace,
    kLabelNamespace,
    kCreatePod,
    kDeletePod,
    kLabelPod,
  };
  std::string cluster;
  Kind kind = Kind::kApply;
  std::string text;         // apply
  std::string ns, name;     // what is deleted or labelled
  std::string object_kind;  // delete
  Labels labels;            // createNamespace, labelNamespace, labelPod
  Pod pod;                  // createPod
};

struct Probe {
  uint16_t port = 0;                         // of ICMP: the type
  v1::Protocol protocol = v1::PROTOCOL_TCP;  // TCP, UDP, SCTP, ICMP or ICMPV6
  int family = 4;
  std::vector<std::string> order;
  std::vector<std::string> table;  // of '0', '1', '.'
  std::optional<size_t> established_since;

  // The port as rules see it: of ICMP, type << 8 | code.
  uint16_t rule_port() const;
};

struct Step {
  std::vector<Action> actions;
  std::vector<Probe> probes;
  bool refused = false;
};

struct Case {
  std::string name;
  std::vector<Cluster> clusters;
  std::vector<External> externals;
  std::vector<Step> steps;
};

// kInvalidArgument with the path of the field ("steps[1].probes[0].table").
absl::StatusOr<Case> ParseCase(absl::string_view json);

}  // namespace trivium::conformance
