// Random Cilium policies for the differential test, as text: every form that the parser takes, the empty ones
// too.
#pragma once

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace trivium::policy {

class RandomCilium {
 public:
  explicit RandomCilium(std::mt19937_64* random) : random_(random) {}

  std::string Policy(const std::string& name, const std::string& ns, bool clusterwide) {
    std::string text =
        absl::StrCat("apiVersion: cilium.io/v2\nkind: Cilium", clusterwide ? "Clusterwide" : "",
                     "NetworkPolicy\nmetadata: {name: ", name,
                     clusterwide ? "" : absl::StrCat(", namespace: ", ns), "}\n");
    const bool many = Chance(15);
    if (!many || Chance(50)) absl::StrAppend(&text, "spec: ", Spec(), "\n");
    if (many) absl::StrAppend(&text, "specs: [", Spec(), Chance(50) ? absl::StrCat(", ", Spec()) : "", "]\n");
    return text;
  }

  // Three groups: "partners", "offices" and "empty".
  static std::string Groups() {
    return R"(
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: partners, labels: {kind: outside, tier: one}}
spec: {externalCIDRs: [192.0.2.0/24, "2001:db8::/48"]}
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: offices, labels: {kind: outside}}
spec: {externalCIDRs: [198.51.100.0/22, 192.0.2.130/32]}
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: empty, labels: {tier: one}}
spec: {externalCIDRs: []}
)";
  }

 private:
  size_t Below(size_t bound) { return (*random_)() % bound; }
  bool Chance(size_t percent) { return Below(100) < percent; }
  std::string OneOf(const std::vector<std::string>& choices) { return choices[Below(choices.size())]; }
  template <typename Make>
  std::string List(size_t most, Make make) {
    std::vector<std::string> items;
    for (size_t n = Below(12) == 0 ? 0 : 1 + Below(most); n > 0; --n) items.push_back(make());
    return absl::StrCat("[", absl::StrJoin(items, ", "), "]");
  }

  // A key and its possible values.
  std::pair<std::string, std::vector<std::string>> Label(bool subject) {
    static const std::vector<std::pair<std::string, std::vector<std::string>>> kLabels = {
        {"pod", {"a", "b", "c", ""}},
        {"k8s:pod", {"a", "b", "c"}},
        {"any:example.com/tier", {"front", "back"}},
        {"none", {"a"}},
        {"io.kubernetes.pod.namespace", {"x", "y", "z"}},
        {"k8s:io.kubernetes.pod.namespace", {"x", "y"}},
        {"io.cilium.k8s.namespace.labels.team", {"red", "blue"}},
        {"k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name", {"x", "y"}},
        {"io.cilium.k8s.policy.cluster", {"c1", "c2", "c3"}},
        {"k8s:io.cilium.k8s.policy.cluster", {"c1", "c2"}},
        {"io.cilium.k8s.policy.serviceaccount", {"default", "other"}},
        {"reserved:world", {""}},
        {"reserved:world-ipv4", {""}},
        {"reserved:host", {""}},
    };
    // Mostly labels of pods: what is reserved or elsewhere hardly ever selects anybody.
    return kLabels[Chance(55) ? Below(4) : Below(kLabels.size() - (subject ? 3 : 0))];
  }

  std::string Selector(bool subject) {
    if (Chance(subject ? 35 : 20)) return "{}";
    std::vector<std::string> parts;
    if (Chance(60)) {
      const auto [key, values] = Label(subject);
      parts.push_back(absl::StrCat("matchLabels: {\"", key, "\": \"", OneOf(values), "\"}"));
    }
    if (Chance(55)) {
      std::vector<std::string> expressions;
      for (size_t i = 0; i <= Below(2); ++i) {
        const auto [key, values] = Label(subject);
        const std::string op = OneOf({"In", "NotIn", "Exists", "DoesNotExist"});
        std::string list;
        if (op == "In" || op == "NotIn") {
          list = absl::StrCat(", values: [\"", OneOf(values), "\"",
                              Chance(40) ? absl::StrCat(", \"", OneOf(values), "\"") : "", "]");
        }
        expressions.push_back(absl::StrCat("{key: \"", key, "\", operator: ", op, list, "}"));
      }
      parts.push_back(absl::StrCat("matchExpressions: [", absl::StrJoin(expressions, ", "), "]"));
    }
    return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
  }

  std::string Cidr() {
    return absl::StrCat(
        "\"",
        OneOf({"0.0.0.0/0", "192.0.2.0/24", "192.0.2.128/25", "192.0.2.7/32", "198.51.100.0/22", "::/0",
               "2001:db8::/32", "2001:db8:1::9/128", "10.0.0.0/8", "192.0.2.200/24"}),
        "\"");
  }

  std::string CidrRule() {
    switch (Below(5)) {
      case 0:
        return "{cidr: 0.0.0.0/0, except: [192.0.2.0/25, 198.51.100.0/24]}";
      case 1:
        return "{cidr: \"2001:db8::/32\", except: [\"2001:db8:1::/48\"]}";
      case 2:
        return absl::StrCat("{cidrGroupRef: ", OneOf({"partners", "offices", "empty", "absent"}),
                            Chance(40) ? ", except: [192.0.2.0/28]" : "", "}");
      case 3:
        return absl::StrCat("{cidrGroupSelector: ",
                            OneOf({"{}", "{matchLabels: {kind: outside}}",
                                   "{matchExpressions: [{key: tier, operator: DoesNotExist}]}"}),
                            "}");
      default:
        return absl::StrCat("{cidr: ", Cidr(), "}");
    }
  }

  std::string Entity() {
    return OneOf(
        {"all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "remote-node", "none", "init"});
  }

  std::string Port() {
    std::vector<std::string> parts;
    if (Chance(25)) {
      parts.push_back(absl::StrCat("port: ", OneOf({"web", "WEB", "dns", "Db", "nobody"})));
    } else {
      parts.push_back(
          absl::StrCat("port: \"", OneOf({"0", "1", "53", "79", "80", "81", "443", "8000", "65535"}), "\""));
      if (parts[0] != "port: \"0\"" && Chance(35)) {
        parts.push_back(absl::StrCat("endPort: ", OneOf({"0", "79", "80", "443", "8080", "65535"})));
      }
    }
    if (Chance(70)) parts.push_back(absl::StrCat("protocol: ", OneOf({"TCP", "UDP", "SCTP", "ANY", "\"\""})));
    return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
  }

  std::string IcmpField() {
    return OneOf({"{type: 8}", "{family: IPv4, type: EchoReply}", "{family: IPv6, type: 128}",
                  "{family: IPv6, type: EchoReply}", "{type: \"3\"}"});
  }

  std::string Rule(const char* way) {
    std::vector<std::string> parts;
    if (Chance(75)) {
      switch (Below(4)) {
        case 0:
        case 1:
          parts.push_back(absl::StrCat(way, "Endpoints: ", List(2, [&] { return Selector(false); })));
          break;
        case 2:
          parts.push_back(Chance(50) ? absl::StrCat(way, "CIDR: ", List(2, [&] { return Cidr(); }))
                                     : absl::StrCat(way, "CIDRSet: ", List(2, [&] { return CidrRule(); })));
          break;
        default:
          parts.push_back(absl::StrCat(way, "Entities: ", List(2, [&] { return Entity(); })));
      }
    }
    if (Chance(55)) {
      parts.push_back(absl::StrCat(
          "toPorts: ", List(2, [&] {
            return Chance(8) ? "{}" : absl::StrCat("{ports: ", List(2, [&] { return Port(); }), "}");
          })));
    } else if (Chance(25)) {
      parts.push_back(absl::StrCat(
          "icmps: ",
          List(1, [&] { return absl::StrCat("{fields: ", List(2, [&] { return IcmpField(); }), "}"); })));
    }
    return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
  }

  std::string Spec() {
    std::vector<std::string> parts = {absl::StrCat("endpointSelector: ", Selector(true))};
    const auto rules = [&](const char* list, const char* way, size_t percent) {
      if (!Chance(percent)) return;
      std::vector<std::string> items;
      for (size_t n = 1 + Below(2); n > 0; --n) items.push_back(Rule(way));
      parts.push_back(absl::StrCat(list, ": [", absl::StrJoin(items, ", "), "]"));
    };
    rules("ingress", "from", 60);
    rules("ingressDeny", "from", 20);
    rules("egress", "to", 50);
    rules("egressDeny", "to", 20);
    if (parts.size() == 1) parts.push_back("ingress: [{}]");
    if (Chance(25)) {
      parts.push_back(absl::StrCat("enableDefaultDeny: {",
                                   OneOf({"", "ingress: false", "egress: false",
                                          "ingress: false, egress: false", "ingress: true, egress: true"}),
                                   "}"));
    }
    return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
  }

  std::mt19937_64* const random_;
};

}  // namespace trivium::policy
