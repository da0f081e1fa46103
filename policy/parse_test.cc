#include "policy/parse.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace trivium::policy {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::StatusOr<std::vector<Parsed>> Parse(absl::string_view text) {
  return ParseManifests(text, ParseContext{"np.yaml", "c1", "default"});
}

// A NetworkPolicy shop/db with this spec, indented by two already.
std::string Np(absl::string_view spec) {
  return absl::StrCat(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db, namespace: shop}\nspec:\n",
      spec, "\n");
}

v1::Policy PolicyOf(absl::string_view text) {
  const auto parsed = Parse(text);
  EXPECT_TRUE(parsed.ok()) << parsed.status() << "\n" << text;
  if (!parsed.ok() || parsed->size() != 1) return {};
  return parsed->front().object.policy();
}

void ExpectPolicy(absl::string_view manifest, const char* text_proto) {
  v1::Policy want;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text_proto, &want)) << text_proto;
  const v1::Policy got = PolicyOf(manifest);
  google::protobuf::util::MessageDifferencer differ;
  std::string difference;
  differ.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differ.Compare(want, got)) << manifest << "\n" << difference << "\n" << got.DebugString();
}

// The whole of a requirement, short.
std::string Text(const v1::Selector& selector) {
  std::string out;
  for (const v1::Requirement& r : selector.requirements()) {
    absl::StrAppend(&out, out.empty() ? "" : ", ", r.key(), " ",
                    v1::Requirement::Operator_Name(r.operator_()));
    for (const std::string& value : r.values()) absl::StrAppend(&out, " '", value, "'");
  }
  return absl::StrReplaceAll(out, {{"k8s:io.kubernetes.pod.namespace", "@ns"},
                                   {"k8s:io.cilium.k8s.policy.cluster", "@cluster"},
                                   {"k8s:io.cilium.k8s.namespace.labels.", "@nslabel."}});
}

std::string PeerText(absl::string_view peer) {
  const v1::Policy policy = PolicyOf(Np(absl::StrCat("  ingress:\n  - from:\n    - ", peer)));
  return policy.blocks_size() == 1 ? Text(policy.blocks(0).rules(0).peers(0).labels()) : "";
}

TEST(NetworkPolicy, NormalFormOfAWholePolicy) {
  ExpectPolicy(R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: db
  namespace: shop
  uid: 0c1f
  resourceVersion: "12"
  generation: 3
  creationTimestamp: 2024-01-02T03:04:05Z
  labels: {a: b}
  annotations: {Example.com/Note: "any text"}
  managedFields: [{manager: kubectl}]
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: web}}
    - ipBlock: {cidr: 10.1.2.3/8, except: [10.2.0.0/16]}
    ports:
    - {protocol: UDP, port: 53}
    - {port: 8000, endPort: 8010}
    - {port: metrics, protocol: SCTP}
    - {}
  egress:
  - {}
status: {}
)",
               R"(
    kind: "NetworkPolicy" namespace: "shop" name: "db"
    blocks {
      subject {
        requirements { key: "k8s:app" values: "db" }
        requirements { key: "k8s:io.cilium.k8s.policy.cluster" values: "c1" }
        requirements { key: "k8s:io.kubernetes.pod.namespace" values: "shop" }
      }
      default_deny_ingress: true default_deny_egress: true
      rules {
        peers { labels {
          requirements { key: "k8s:app" values: "web" }
          requirements { key: "k8s:io.cilium.k8s.policy.cluster" values: "c1" }
          requirements { key: "k8s:io.kubernetes.pod.namespace" values: "shop" }
        } }
        peers { cidr { cidr { address: "\012\0\0\0" length: 8 } except { address: "\012\002\0\0" length: 16 } } }
        ports { protocol: PROTOCOL_UDP first: 53 last: 53 }
        ports { protocol: PROTOCOL_TCP first: 8000 last: 8010 }
        ports { protocol: PROTOCOL_SCTP name: "metrics" }
        ports { protocol: PROTOCOL_TCP }
        origin: "spec.ingress[0]"
      }
      rules { direction: EGRESS any_peer: true any_port: true origin: "spec.egress[0]" }
    })");
}

TEST(NetworkPolicy, ScopesAreWrittenOut) {
  EXPECT_EQ(PeerText("podSelector: {}"), "@cluster IN 'c1', @ns IN 'shop'");
  EXPECT_EQ(PeerText("namespaceSelector: {}"), "@cluster IN 'c1', @ns EXISTS");
  EXPECT_EQ(PeerText("{namespaceSelector: {matchLabels: {team: red}}, podSelector: {matchLabels: {app: x}}}"),
            "k8s:app IN 'x', @nslabel.team IN 'red', @cluster IN 'c1', @ns EXISTS");
  EXPECT_EQ(
      PeerText("{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [b, a, b]}]}}"),
      "@nslabel.team NOT_IN 'a' 'b', @cluster IN 'c1', @ns EXISTS");
  // A cluster key in either selector lifts the cluster scope, and that alone.
  EXPECT_EQ(PeerText("podSelector: {matchLabels: {io.cilium.k8s.policy.cluster: c2}}"),
            "@cluster IN 'c2', @ns IN 'shop'");
  EXPECT_EQ(
      PeerText(
          "namespaceSelector: {matchExpressions: [{key: io.cilium.k8s.policy.cluster, operator: Exists}]}"),
      "@cluster EXISTS, @ns EXISTS");
  EXPECT_EQ(PeerText("{podSelector: {}, namespaceSelector: {matchExpressions: [{key: "
                     "io.cilium.k8s.policy.cluster, operator: "
                     "NotIn, values: [c1]}]}}"),
            "@cluster NOT_IN 'c1', @ns EXISTS");
}

TEST(NetworkPolicy, ASubjectNeverLeavesItsCluster) {
  const v1::Policy policy = PolicyOf(Np("  podSelector: {matchLabels: {io.cilium.k8s.policy.cluster: c2}}"));
  EXPECT_EQ(Text(policy.blocks(0).subject()), "@cluster IN 'c1', @cluster IN 'c2', @ns IN 'shop'");
}

struct TypesCase {
  const char* spec;
  bool ingress;
  bool egress;
  int rules;
};

TEST(NetworkPolicy, PolicyTypesAndTheirDefaults) {
  for (const TypesCase& c : {
           TypesCase{"  podSelector: {}", true, false, 0},
           TypesCase{"  podSelector:", true, false, 0},
           TypesCase{"  {}", true, false, 0},
           TypesCase{"  ingress: []", true, false, 0},
           TypesCase{"  egress: []", true, false, 0},  // no egress rule: not an egress policy
           TypesCase{"  egress: null", true, false, 0},
           TypesCase{"  egress: [{}]", true, true, 1},
           TypesCase{"  policyTypes: []\n  egress: [{}]", true, true, 1},
           TypesCase{"  policyTypes: null\n  egress: [{}]", true, true, 1},
           TypesCase{"  policyTypes: [Egress]", false, true, 0},
           TypesCase{"  policyTypes: [Egress]\n  egress: []", false, true, 0},
           TypesCase{"  policyTypes: [Egress]\n  ingress: [{}]", false, true, 0},
           TypesCase{"  policyTypes: [Ingress]\n  egress: [{}]", true, false, 0},
           TypesCase{"  policyTypes: [Egress, Ingress]\n  egress: [{}]\n  ingress: [{}, null]", true, true,
                     3},
           TypesCase{"  policyTypes: [Ingress, Ingress]", true, false, 0},
       }) {
    const v1::Policy policy = PolicyOf(Np(c.spec));
    ASSERT_EQ(policy.blocks_size(), 1) << c.spec;
    EXPECT_EQ(policy.blocks(0).default_deny_ingress(), c.ingress) << c.spec;
    EXPECT_EQ(policy.blocks(0).default_deny_egress(), c.egress) << c.spec;
    EXPECT_EQ(policy.blocks(0).rules_size(), c.rules) << c.spec;
  }
}

TEST(NetworkPolicy, AbsentNullAndEmptyAreEveryone) {
  for (const char* rule :
       {"{}", "null", "{from: [], ports: []}", "{from: null, ports: null}", "{from: , ports: }"}) {
    const v1::Policy policy = PolicyOf(Np(absl::StrCat("  ingress:\n  - ", rule)));
    ASSERT_EQ(policy.blocks(0).rules_size(), 1) << rule;
    EXPECT_TRUE(policy.blocks(0).rules(0).any_peer()) << rule;
    EXPECT_TRUE(policy.blocks(0).rules(0).any_port()) << rule;
  }
  // A null beside something says nothing; a null text in a map or list is "".
  EXPECT_EQ(PeerText("{podSelector: null, namespaceSelector: {}, ipBlock: null}"),
            "@cluster IN 'c1', @ns EXISTS");
  EXPECT_EQ(PeerText("podSelector: {matchLabels: null, matchExpressions: null}"),
            "@cluster IN 'c1', @ns IN 'shop'");
  EXPECT_EQ(PeerText("podSelector: {matchLabels: {a: null}}"),
            "k8s:a IN '', @cluster IN 'c1', @ns IN 'shop'");
  EXPECT_EQ(PeerText("podSelector: {matchExpressions: [{key: a, operator: Exists, values: []}]}"),
            "k8s:a EXISTS, @cluster IN 'c1', @ns IN 'shop'");
  const v1::Policy ports =
      PolicyOf(Np("  ingress: [{ports: [null, {port: null, protocol: null, endPort: null}]}]"));
  EXPECT_FALSE(ports.blocks(0).rules(0).any_port());
  ASSERT_EQ(ports.blocks(0).rules(0).ports_size(), 2);
  EXPECT_EQ(ports.blocks(0).rules(0).ports(1).protocol(), v1::PROTOCOL_TCP);
  EXPECT_EQ(ports.blocks(0).rules(0).ports(1).first(), 0u);
}

TEST(NetworkPolicy, TextThatOnlyLooksLikeSomethingElse) {
  EXPECT_EQ(
      PeerText(
          "podSelector: {matchLabels: {a: \"80\", b: 'true', c: y, d: 1.2.3, e: 2024-01-01, f: !!str 7}}"),
      "k8s:a IN '80', k8s:b IN 'true', k8s:c IN 'y', k8s:d IN '1.2.3', k8s:e IN '2024-01-01', k8s:f IN '7', "
      "@cluster IN 'c1', @ns IN 'shop'");
}

TEST(Manifests, StreamsListsAndJson) {
  const auto stream =
      Parse(absl::StrCat("# first\n---\n", Np("  podSelector: {}"), "---   # nothing\n\n--- \n",
                         "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: red}}\n",
                         "spec: {finalizers: [kubernetes]}\nstatus: {phase: Active}\n...\n---\nnull\n"));
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_EQ(stream->size(), 2u);
  EXPECT_EQ((*stream)[0].line, 3);
  EXPECT_EQ((*stream)[0].text, Np("  podSelector: {}"));
  EXPECT_EQ((*stream)[1].line, 11);
  const v1::Namespace& ns = (*stream)[1].object.namespace_();
  EXPECT_EQ(ns.name(), "shop");
  EXPECT_EQ(ns.labels_size(), 2);
  EXPECT_EQ(ns.labels().at("team"), "red");
  EXPECT_EQ(ns.labels().at("kubernetes.io/metadata.name"), "shop");

  const auto json = Parse(R"({"apiVersion":"v1","kind":"List","metadata":{"resourceVersion":""},"items":[
    {"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"a","creationTimestamp":null},
     "spec":{"podSelector":{},"ingress":[{"ports":[{"port":80,"protocol":"TCP"}]}]}},
    {"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}]})");
  ASSERT_TRUE(json.ok()) << json.status();
  ASSERT_EQ(json->size(), 2u);
  EXPECT_EQ((*json)[0].object.policy().namespace_(), "default");
  EXPECT_EQ((*json)[0].object.policy().blocks(0).rules(0).origin(), "spec.ingress[0]");
  EXPECT_EQ((*json)[0].line, 2);
  // An item's text stands alone and means the same.
  const auto again = Parse((*json)[0].text);
  ASSERT_TRUE(again.ok()) << again.status() << (*json)[0].text;
  EXPECT_EQ((*again)[0].object.SerializeAsString(), (*json)[0].object.SerializeAsString());

  const auto empty_list = Parse("apiVersion: v1\nkind: List\nitems: []\n");
  ASSERT_TRUE(empty_list.ok()) << empty_list.status();
  EXPECT_TRUE(empty_list->empty());
}

TEST(Manifests, JsonAsProgramsPrintIt) {
  const auto parsed = Parse(
      "{\n\t\"apiVersion\": \"networking.k8s.io\\/v1\",\n\t\"kind\": \"NetworkPolicy\",\n\t\"metadata\": "
      "{\n\t\t\"name\": "
      "\"a\",\n\t\t\"annotations\": {\n\t\t\t\"kubectl.kubernetes.io/last-applied-configuration\": "
      "\"{\\\"a\\\":\\u003c}\\n\"\n\t\t}\n\t},"
      "\n\t\"spec\": "
      "{\"podSelector\":{\"matchLabels\":{\"a\":\"true\"}},\"policyTypes\":[\"Ingress\"]}\n}\n");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)[0].object.policy().name(), "a");
}

// As programs print it that keep to ASCII: an emoji is two escapes.
TEST(Manifests, JsonInAsciiAlone) {
  const auto parsed = Parse(
      R"({"apiVersion":"v1","kind":"List","items":[{"apiVersion":"cilium.io/v2","kind":"CiliumNetworkPolicy",)"
      R"("metadata":{"name":"a","annotations":{"smile":"\\ud83d \"\ud83d\ude00\""}},)"
      R"("specs":[{"endpointSelector":{},"ingress":[{}],"description":"\ud83d\ude00 \u007f"}]}]})");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT((*parsed)[0].text, HasSubstr(R"("smile":"\\ud83d \"😀\"")"));
  const auto again = Parse((*parsed)[0].text);
  ASSERT_TRUE(again.ok()) << again.status() << (*parsed)[0].text;
  EXPECT_EQ((*again)[0].text, (*parsed)[0].text);
  // Where a quote is not what JSON has, the characters stand for themselves.
  const auto yaml =
      Parse("{apiVersion: v1, kind: Namespace, metadata: {name: a, annotations: {b: '\\ud83d\\ude00'}}}");
  ASSERT_TRUE(yaml.ok()) << yaml.status();
}

TEST(Manifests, WindowsLinesAndByteOrderMarks) {
  const auto parsed =
      Parse(absl::StrCat("\xef\xbb\xbf", absl::StrReplaceAll(Np("  podSelector: {}"), {{"\n", "\r\n"}}),
                         "---\r\napiVersion: v1\r\nkind: Namespace\r\nmetadata: {name: x}\r\n"));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->size(), 2u);
  EXPECT_EQ((*parsed)[0].object.policy().name(), "db");
}

struct Refusal {
  const char* manifest;
  const char* message;  // all of it up to what is right
};

void ExpectRefused(absl::string_view manifest, absl::string_view message) {
  const auto parsed = Parse(manifest);
  ASSERT_FALSE(parsed.ok()) << manifest;
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(std::string(message))) << manifest;
  EXPECT_THAT(std::string(parsed.status().message()), StartsWith("np.yaml:")) << manifest;
}

TEST(Refusals, OfASpec) {
  for (const Refusal& c : {
           Refusal{"  podselector: {}",
                   "np.yaml:5: spec.podselector: unknown field; the fields here are podSelector, "},
           Refusal{"  podSelector: {}\n  podSelector: {}",
                   "np.yaml:6: spec.podSelector: this field stands here twice"},
           Refusal{"  podSelector: []", "np.yaml:5: spec.podSelector: is a list; a map is wanted"},
           Refusal{"  podSelector: {app: db}", "np.yaml:5: spec.podSelector.app: unknown field"},
           Refusal{"  podSelector: {matchLabels: {app: 1}}",
                   "spec.podSelector.matchLabels.app: is the number 1; text"},
           Refusal{"  podSelector: {matchLabels: {app: true}}",
                   "is the boolean true; text is wanted here, write it in quotes"},
           Refusal{"  podSelector: {matchLabels: {app: [db]}}",
                   "spec.podSelector.matchLabels.app: is a list; text"},
           Refusal{"  podSelector: {matchLabels: [app]}", "spec.podSelector.matchLabels: is a list; a map"},
           Refusal{"  podSelector: {matchLabels: {a: b, a: c}}",
                   "spec.podSelector.matchLabels.a: this key stands here twice"},
           Refusal{"  podSelector: {matchLabels: {-a: b}}",
                   "spec.podSelector.matchLabels.-a: label key \"-a\" is not valid"},
           Refusal{"  podSelector: {matchLabels: {x.com/a/b: b}}",
                   "spec.podSelector.matchLabels[\"x.com/a/b\"]: label key \"x.com/a/b\" is not valid"},
           Refusal{"  podSelector: {matchLabels: {a: b c}}", "label value \"b c\" is not valid"},
           Refusal{"  podSelector: {matchExpressions: {key: a}}",
                   "spec.podSelector.matchExpressions: is a map; a list"},
           Refusal{"  podSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}",
                   "spec.podSelector.matchExpressions[0].operator: \"in\" is no operator; operators are In, "
                   "NotIn, Exists"},
           Refusal{"  podSelector: {matchExpressions: [{key: a}]}",
                   "matchExpressions[0].operator: is missing; operators are"},
           Refusal{"  podSelector: {matchExpressions: [{operator: Exists}]}",
                   "matchExpressions[0].key: is missing"},
           Refusal{"  podSelector: {matchExpressions: [null]}", "matchExpressions[0].key: is missing"},
           Refusal{"  podSelector: {matchExpressions: [{key: a, operator: In}]}",
                   "spec.podSelector.matchExpressions[0].values: the operator In needs at least one value"},
           Refusal{"  podSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}",
                   "NotIn needs at least one"},
           Refusal{"  podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}",
                   "Exists takes no values"},
           Refusal{"  podSelector: {matchExpressions: [{key: a, operator: DoesNotExist, values: [b]}]}",
                   "takes no values"},
           Refusal{"  podSelector: {matchExpressions: [{key: a, operator: In, values: b}]}",
                   "values: is the text \"b\"; a list"},
           Refusal{"  podSelector: {matchExpressions: [{key: a, operator: In, values: [-]}]}", "np.yaml:5: "},
           Refusal{"  podSelector: {matchExpressions: [{key: a, operator: In, values: [a/b]}]}",
                   "values[0]: label value"},
           Refusal{"  policyTypes: [ingress]",
                   "spec.policyTypes[0]: \"ingress\" is no policy type; types are Ingress and"},
           Refusal{"  policyTypes: [null]", "spec.policyTypes[0]: \"\" is no policy type"},
           Refusal{"  policyTypes: Ingress", "spec.policyTypes: is the text \"Ingress\"; a list"},
           Refusal{"  policyTypes: [Ingress, Egress, Ingress]",
                   "spec.policyTypes: more than two policy types"},
           Refusal{"  ingress: {}", "spec.ingress: is a map; a list"},
           Refusal{"  ingress: [{to: []}]",
                   "spec.ingress[0].to: unknown field; the fields here are from, ports"},
           Refusal{"  egress: [{from: []}]",
                   "spec.egress[0].from: unknown field; the fields here are to, ports"},
           Refusal{"  ingress: [{from: [{}]}]", "spec.ingress[0].from[0]: a peer must say whom it means"},
           Refusal{"  ingress:\n  - from:\n    -", ": spec.ingress[0].from[0]: a peer must say whom"},
           Refusal{"  ingress: [{from: [{podSelector: null}]}]",
                   "spec.ingress[0].from[0]: a peer must say whom"},
           Refusal{"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]",
                   "an ipBlock stands alone"},
           Refusal{"  ingress: [{from: [{ipBlock: {}}]}]",
                   "spec.ingress[0].from[0].ipBlock.cidr: is missing"},
           Refusal{"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.1}}]}]",
                   "\"10.0.0.1\" is not a CIDR; write address/length"},
           Refusal{"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]",
                   "the length after the '/' is a number from 0 to 32"},
           Refusal{"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]",
                   "ipBlock.except[0]: 11.0.0.0/16 is not a part of 10.0.0.0/8"},
           Refusal{"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]",
                   "is not a part of"},
           Refusal{"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [\"fd00::/16\"]}}]}]",
                   "is not a part of"},
           Refusal{"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: 10.1.0.0/16}}]}]",
                   "except: is the text"},
           Refusal{"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [null]}}]}]",
                   "except[0]: is missing"},
           Refusal{"  ingress:\n  - ports:\n    - port: 80\n    - port: 99999",
                   "np.yaml:8: spec.ingress[0].ports[1].port: 99999 is no port; ports are 1 to 65535"},
           Refusal{"  ingress: [{ports: [{port: 0}]}]", "0 is no port"},
           Refusal{"  ingress: [{ports: [{port: -1}]}]", "-1 is no port"},
           Refusal{"  ingress: [{ports: [{port: 99999999999999999999}]}]", "is no port"},
           Refusal{"  ingress: [{ports: [{port: 80.5}]}]",
                   "ports[0].port: is the number 80.5; text is wanted"},
           Refusal{"  ingress: [{ports: [{port: 0x50}]}]", "in decimal and without quotes"},
           Refusal{"  ingress: [{ports: [{port: \"80\"}]}]", "\"80\" is no port name"},
           Refusal{"  ingress: [{ports: [{port: HTTP}]}]", "\"HTTP\" is no port name"},
           Refusal{"  ingress: [{ports: [{port: a-name-of-sixteen}]}]", "is no port name"},
           Refusal{"  ingress: [{ports: [{port: a--b}]}]", "is no port name"},
           Refusal{"  ingress: [{ports: [{port: [80]}]}]", "ports[0].port: is a list"},
           Refusal{"  ingress: [{ports: [{port: true}]}]", "ports[0].port: is the boolean true"},
           Refusal{"  ingress: [{ports: [{protocol: tcp}]}]",
                   "\"tcp\" is no protocol; protocols are TCP, UDP and SCTP"},
           Refusal{"  ingress: [{ports: [{protocol: \"\"}]}]", "\"\" is no protocol"},
           Refusal{"  ingress: [{ports: [{protocol: ICMP}]}]", "\"ICMP\" is no protocol"},
           Refusal{"  ingress: [{ports: [{protocol: 6}]}]", "protocol: is the number 6"},
           Refusal{"  ingress: [{ports: [{endPort: 90}]}]",
                   "ports[0].endPort: an endPort needs a numeric port beside it"},
           Refusal{"  ingress: [{ports: [{port: web, endPort: 90}]}]",
                   "needs a numeric port beside it, not a name"},
           Refusal{"  ingress: [{ports: [{port: 80, endPort: 79}]}]", "endPort: 79 is below port 80"},
           Refusal{"  ingress: [{ports: [{port: 80, endPort: 65536}]}]", "endPort: 65536 is no port"},
           Refusal{"  ingress: [{ports: [{port: 80, endPort: web}]}]", "endPort: is the text \"web\""},
           Refusal{"  ingress: [{ports: [80]}]", "spec.ingress[0].ports[0]: is the number 80; a map"},
       }) {
    ExpectRefused(Np(c.manifest), c.message);
  }
}

TEST(Refusals, OfWhatIsAroundASpec) {
  const std::string head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";
  for (const auto& [manifest, message] : std::vector<std::pair<std::string, std::string>>{
           {"", "np.yaml:1: no object in this text"},
           {"# only a comment\n---\n", "no object in this text"},
           {"null", "no object in this text"},
           {"just text", "np.yaml:1: this is no object"},
           {"- a", "this is no object"},
           {"{}", "apiVersion or kind is missing; kinds are NetworkPolicy (networking.k8s.io/v1)"},
           {"kind: NetworkPolicy", "apiVersion or kind is missing"},
           {"apiVersion: networking.k8s.io/v1beta1\nkind: NetworkPolicy",
            "the kind NetworkPolicy of networking.k8s.io/v1beta1"},
           {"apiVersion: v1\nkind: Pod", "the kind Pod of v1 is not one of ours"},
           {"apiVersion: 1\nkind: List", "apiVersion: is the number 1"},
           {head, "metadata.name: is missing"},
           {head + "metadata: {name: }", "np.yaml:3: metadata.name: is missing"},
           {head + "metadata: {name: A}", "metadata.name: name \"A\" is not a valid name"},
           {head + "metadata: {name: a, namespace: a.b}",
            "metadata.namespace: namespace \"a.b\" is not a valid name"},
           {head + "metadata: {name: a, generateName: b}", "metadata.generateName: unknown field"},
           {head + "metadata: {name: a, labels: {x: 1}}", "metadata.labels.x: is the number 1"},
           {head + "metadata: {name: a, labels: {x!: a}}", "label key \"x!\" is not valid"},
           {head + "metadata: {name: a, annotations: {x: [a]}}", "metadata.annotations.x: is a list"},
           {head + "metadata: {name: a, annotations: {a: " + std::string(256 * 1024, 'x') + "}}",
            "annotations of 262145 bytes"},
           {head + "metadata: {name: a}\nspec: text", "np.yaml:4: spec: is the text \"text\"; a map"},
           {head + "metadata: {name: a}\nSpec: {}", "np.yaml:4: Spec: unknown field"},
           {head + "metadata: {name: a}\nspec: {}\nspec: {}",
            "np.yaml:5: spec: this field stands here twice"},
           {head + "metadata: {name: a}\nkind: NetworkPolicy",
            "np.yaml:4: kind: this field stands here twice"},
           {head + "metadata: {name: a}\nstatus: {x: 1}", "status.x: unknown field"},
           {"apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}",
            "metadata.name: namespace \"a.b\" is not a valid name"},
           {"apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}",
            "this kind of object is in no namespace"},
           {"apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\nspec: {x: 1}", "spec.x: unknown field"},
           {"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: List}]",
            "np.yaml:3: items[0]: the kind List of v1"},
           {"apiVersion: v1\nkind: List\nitems: [null]", "items[0]: this is no object"},
           {"apiVersion: v1\nkind: List\nitems:\n- apiVersion: networking.k8s.io/v1\n  kind: NetworkPolicy\n "
            " spec: {x: 1}",
            "np.yaml:6: items[0].spec.x: unknown field"},
           {Np("  {}") + "---\n" + Np("  {}"),
            "np.yaml:7: policy NetworkPolicy/shop/db stands in this text twice, also in line 1"},
           {Np("  {}") + "---\n" + Np("  x: 1"), "np.yaml:11: spec.x: unknown field"},
       }) {
    ExpectRefused(manifest, message);
  }
}

TEST(Refusals, EveryFaultIsNamedAtOnceUpToALimit) {
  const auto parsed = Parse(Np("  a: 1\n  b: 2\n  ingress: [{ports: [{port: 0}]}]"));
  EXPECT_EQ(
      parsed.status().message(),
      "np.yaml:5: spec.a: unknown field; the fields here are podSelector, policyTypes, ingress, egress\n"
      "np.yaml:6: spec.b: unknown field; the fields here are podSelector, policyTypes, ingress, egress\n"
      "np.yaml:7: spec.ingress[0].ports[0].port: 0 is no port; ports are 1 to 65535");
  std::string many = "  ingress:\n";
  for (int i = 0; i < 25; ++i) many += "  - x: 1\n";
  EXPECT_THAT(std::string(Parse(Np(many)).status().message()), HasSubstr("\nnp.yaml: and 5 more"));
}

TEST(Refusals, OfBrokenOrHostileText) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"a: [1, 2", "np.yaml:1: not YAML"},
           {"a: b: c", "np.yaml:1: not YAML"},
           {"a:\n  b: 1\n c: 2", "np.yaml:3: not YAML"},
           {"a: \"x", "not YAML"},
           {"a: &x 1\nb: *x", "np.yaml:1: anchors are not supported"},
           {"a: *x", "not YAML"},
           {"a: !!binary xx", "the tag tag:yaml.org,2002:binary is not supported"},
           {"a: !mine {}", "is not supported"},
           {"{a: 1}: b", "a key must be plain text"},
           {"? [a]\n: b", "a key must be plain text"},
           {": b", "a key is missing"},
           {std::string("a: b\0c", 6), "np.yaml:1: a control character (0x00)"},
           {"a: b\n\x04", "np.yaml:2: a control character (0x04)"},
           {"a: \rb", "np.yaml:1: a control character (0x0d)"},
           {absl::StrCat("? ", std::string(600, 'k'), "\n: b"), "np.yaml:1: a key of 600 bytes; at most 500"},
           {"\"a\\tb\": c", "np.yaml:1: a key with a control character in it"},
           {"{\"a\": \"\\ud83d\"}", "np.yaml:1: not YAML: invalid unicode"},
           {"a: \xff", "not UTF-8"},
           {"a: \xc0\x80", "not UTF-8"},
           {"a: \xed\xa0\x80", "not UTF-8"},
           {"%YAML 1.2\n---\na: 1", "np.yaml:1: "},
           {"a: 1\n...\nb: 2", "something follows the end of this document"},
           {std::string(100, '[') + std::string(100, ']'), "nested deeper than 64 levels"},
           {std::string(100000, '['), "np.yaml:1: "},
           {"a: " + std::string(kMaxManifestBytes, 'x'), "at most 4194304 are taken at once"},
       }) {
    ExpectRefused(text, message);
  }
  std::string wide = "a: [";
  for (size_t i = 0; i < kMaxManifestNodes; ++i) wide += "1,";
  ExpectRefused(wide + "1]", "more than 200000 values in one document");
}

// Whatever is done to a manifest, the answer is an object or an error that says where.
TEST(Refusals, OfMutilatedText) {
  const std::string whole =
      absl::StrCat(Np("  podSelector: {matchLabels: {app: db}, matchExpressions: [{key: a, operator: In, "
                      "values: [b]}]}\n  policyTypes: "
                      "[Ingress]\n  ingress:\n  - from:\n    - ipBlock: {cidr: 10.0.0.0/8, except: "
                      "[10.1.0.0/16]}\n    - podSelector: {}\n"
                      "    ports:\n    - {protocol: TCP, port: 80, endPort: 90}\n    - port: \"web\""),
                   "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: x, labels: {a: 'b'}}\n");
  ASSERT_TRUE(Parse(whole).ok()) << Parse(whole).status();
  constexpr absl::string_view kInserts = "{}[]:,-#&*!|>'\"%@`\n\t \\?~0a\xc3\xa4";
  std::mt19937_64 random(1);
  int accepted = 0;
  constexpr int kRuns = 4000;
  for (int i = 0; i < kRuns; ++i) {
    std::string text = whole;
    for (size_t n = 1 + random() % 3; n > 0; --n) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text.erase(at, 1 + random() % 8);
          break;
        case 1:
          text.insert(at, 1, kInserts[random() % kInserts.size()]);
          break;
        case 2:
          text[at] = kInserts[random() % kInserts.size()];
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 40));
      }
    }
    const auto parsed = Parse(text);
    if (parsed.ok()) {
      ++accepted;
      continue;
    }
    ASSERT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
    ASSERT_THAT(std::string(parsed.status().message()), StartsWith("np.yaml:")) << text;
  }
  EXPECT_GT(accepted, 0);  // a label's value may change and still be one
  EXPECT_LT(accepted, kRuns / 2);
}

}  // namespace
}  // namespace trivium::policy
