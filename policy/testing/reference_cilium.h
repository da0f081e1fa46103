// What CiliumNetworkPolicies mean, written a second time: straight from the documents of cilium.io/v2, slowly
// and without cleverness, for the reference evaluator. Only given manifests that the real parser has
// accepted.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "yaml-cpp/yaml.h"

namespace trivium::policy::reference {

// The labels of a party as the field writes them, "source:key" -> value: "k8s:app", "reserved:world".
using SourcedLabels = std::map<std::string, std::string>;

// One end of a connection, as these policies see it.
struct CiliumParty {
  SourcedLabels labels;
  std::string address;  // empty: a pod
  struct Port {
    std::string name;
    std::string protocol;
    int port = 0;
  };
  std::vector<Port> ports;  // named ones
};

struct CiliumExpression {
  std::string key;  // with source
  std::string op;
  std::vector<std::string> values;
};
using CiliumSelector = std::vector<CiliumExpression>;

struct CidrGroup {
  SourcedLabels labels;
  std::vector<std::string> cidrs;
};
using CidrGroups = std::map<std::string, CidrGroup>;

struct CiliumCidr {
  std::string cidr;
  std::string group;
  std::optional<CiliumSelector> groups;
  std::vector<std::string> except;
};

struct CiliumPort {
  std::string protocol;  // ANY, TCP, UDP, SCTP, ICMP, ICMPv6
  std::string name;
  int first = 0;
  int last = 0;
};

struct CiliumRule {
  bool deny = false;
  bool lists_peers = false;  // some list of peers is there
  bool nobody = false;       // one of them is empty
  std::vector<CiliumSelector> endpoints;
  std::vector<CiliumCidr> cidrs;
  std::vector<std::string> entities;
  bool lists_ports = false;  // toPorts or icmps has elements
  std::vector<CiliumPort> ports;
};

struct CiliumSpec {
  CiliumSelector subject;
  bool closes_ingress = false;
  bool closes_egress = false;
  std::vector<CiliumRule> ingress;
  std::vector<CiliumRule> egress;
};

struct CiliumPolicy {
  std::vector<CiliumSpec> specs;
};

CidrGroup ReadReferenceGroup(const YAML::Node& document);
// `ns` empty: clusterwide.
CiliumPolicy ReadReferenceCilium(const YAML::Node& document, const std::string& cluster,
                                 const std::string& ns);

struct CiliumVerdict {
  bool closed = false;  // some policy closes this direction to what no rule allows
  bool allowed = false;
  bool denied = false;
};
// Adds what `policy` says of a connection to `server`'s port; `cluster` is the subject's.
void JudgeReferenceCilium(const CiliumPolicy& policy, const CidrGroups& groups, const std::string& cluster,
                          const CiliumParty& subject, const CiliumParty& peer, bool ingress,
                          const std::string& protocol, int port, CiliumVerdict* verdict);

// Whether an IP address lies in a prefix, both as text.
bool IsWithin(const std::string& address, const std::string& cidr);

}  // namespace trivium::policy::reference
