#include "tests/conformance/case.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "policy/cidr.h"

namespace trivium::conformance {
namespace {

using Json = nlohmann::json;

// One value of the file with its path. Every reader fails with what the path should hold.
class Field {
 public:
  Field(const Json& value, std::string path) : value_(value), path_(std::move(path)) {}

  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(path_.empty() ? "the case" : path_, ": ", what));
  }
  absl::Status Object(std::initializer_list<const char*> known) const {
    if (!value_.is_object()) return Error("must be an object");
    for (const auto& item : value_.items()) {
      if (std::none_of(known.begin(), known.end(), [&](const char* k) { return item.key() == k; })) {
        return Error(
            absl::StrCat("unknown field \"", item.key(), "\"; known are ", absl::StrJoin(known, ", ")));
      }
    }
    return absl::OkStatus();
  }
  bool Has(const char* key) const { return value_.is_object() && value_.contains(key); }
  Field At(const char* key) const {
    static const Json kNothing;
    return Field(Has(key) ? value_[key] : kNothing, path_.empty() ? key : absl::StrCat(path_, ".", key));
  }
  absl::StatusOr<std::vector<Field>> List() const {
    if (!value_.is_array()) return Error("must be a list");
    std::vector<Field> items;
    for (size_t i = 0; i < value_.size(); ++i)
      items.emplace_back(value_[i], absl::StrCat(path_, "[", i, "]"));
    return items;
  }
  absl::StatusOr<std::string> Text() const {
    if (!value_.is_string()) return Error("must be a text");
    return value_.get<std::string>();
  }
  absl::StatusOr<uint64_t> Number(uint64_t max) const {
    if (!value_.is_number_unsigned() || value_.get<uint64_t>() > max) {
      return Error(absl::StrCat("must be a number from 0 to ", max));
    }
    return value_.get<uint64_t>();
  }
  absl::StatusOr<bool> Bool() const {
    if (!value_.is_boolean()) return Error("must be true or false");
    return value_.get<bool>();
  }
  absl::StatusOr<Labels> TextMap() const {
    if (!value_.is_object()) return Error("must be an object of texts");
    Labels labels;
    for (const auto& item : value_.items()) {
      if (!item.value().is_string()) return Error(absl::StrCat("\"", item.key(), "\" must be a text"));
      labels[item.key()] = item.value().get<std::string>();
    }
    return labels;
  }
  absl::StatusOr<std::vector<std::string>> Ips() const {
    std::vector<std::string> ips;
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Field> items, List());
    for (const Field& item : items) {
      TRIVIUM_ASSIGN_OR_RETURN(const std::string text, item.Text());
      const absl::StatusOr<std::string> ip = policy::ParseAddress(text);
      if (!ip.ok()) return item.Error(ip.status().message());
      ips.push_back(*ip);
    }
    return ips;
  }

 private:
  const Json& value_;
  std::string path_;
};

absl::StatusOr<v1::Protocol> ReadProtocol(const Field& field) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string text, field.Text());
  if (text == "TCP") return v1::PROTOCOL_TCP;
  if (text == "UDP") return v1::PROTOCOL_UDP;
  if (text == "SCTP") return v1::PROTOCOL_SCTP;
  if (text == "ICMP") return v1::PROTOCOL_ICMP;
  return field.Error(absl::StrCat("\"", text, "\" is not TCP, UDP, SCTP or ICMP"));
}

absl::StatusOr<std::vector<v1::NamedPort>> ReadPorts(const Field& field) {
  std::vector<v1::NamedPort> ports;
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Field> items, field.List());
  for (const Field& item : items) {
    TRIVIUM_RETURN_IF_ERROR(item.Object({"name", "port", "protocol"}));
    v1::NamedPort port;
    if (item.Has("name")) {
      TRIVIUM_ASSIGN_OR_RETURN(*port.mutable_name(), item.At("name").Text());
    }
    TRIVIUM_ASSIGN_OR_RETURN(const uint64_t number, item.At("port").Number(65535));
    port.set_port(static_cast<uint32_t>(number));
    port.set_protocol(v1::PROTOCOL_TCP);
    if (item.Has("protocol")) {
      TRIVIUM_ASSIGN_OR_RETURN(const v1::Protocol protocol, ReadProtocol(item.At("protocol")));
      port.set_protocol(protocol);
    }
    ports.push_back(std::move(port));
  }
  return ports;
}

absl::StatusOr<Pod> ReadPod(const Field& field) {
  TRIVIUM_RETURN_IF_ERROR(
      field.Object({"namespace", "name", "labels", "serviceAccount", "node", "ips", "ports"}));
  Pod pod;
  TRIVIUM_ASSIGN_OR_RETURN(pod.ns, field.At("namespace").Text());
  TRIVIUM_ASSIGN_OR_RETURN(pod.name, field.At("name").Text());
  if (field.Has("labels")) {
    TRIVIUM_ASSIGN_OR_RETURN(pod.labels, field.At("labels").TextMap());
  }
  if (field.Has("serviceAccount")) {
    TRIVIUM_ASSIGN_OR_RETURN(pod.service_account, field.At("serviceAccount").Text());
  }
  if (field.Has("node")) {
    TRIVIUM_ASSIGN_OR_RETURN(pod.node, field.At("node").Text());
  }
  TRIVIUM_ASSIGN_OR_RETURN(pod.ips, field.At("ips").Ips());
  if (field.Has("ports")) {
    TRIVIUM_ASSIGN_OR_RETURN(pod.ports, ReadPorts(field.At("ports")));
  }
  return pod;
}

absl::StatusOr<Namespace> ReadNamespace(const Field& field) {
  TRIVIUM_RETURN_IF_ERROR(field.Object({"name", "labels"}));
  Namespace ns;
  TRIVIUM_ASSIGN_OR_RETURN(ns.name, field.At("name").Text());
  if (field.Has("labels")) {
    TRIVIUM_ASSIGN_OR_RETURN(ns.labels, field.At("labels").TextMap());
  }
  return ns;
}

absl::StatusOr<Cluster> ReadCluster(const Field& field) {
  TRIVIUM_RETURN_IF_ERROR(field.Object({"name", "namespaces", "pods"}));
  Cluster cluster;
  TRIVIUM_ASSIGN_OR_RETURN(cluster.name, field.At("name").Text());
  if (field.Has("namespaces")) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Field> items, field.At("namespaces").List());
    for (const Field& item : items) {
      TRIVIUM_ASSIGN_OR_RETURN(Namespace ns, ReadNamespace(item));
      cluster.namespaces.push_back(std::move(ns));
    }
  }
  if (field.Has("pods")) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Field> items, field.At("pods").List());
    for (const Field& item : items) {
      TRIVIUM_ASSIGN_OR_RETURN(Pod pod, ReadPod(item));
      cluster.pods.push_back(std::move(pod));
    }
  }
  return cluster;
}

// Reads {"namespace", "name"} and whatever else the action's object may hold.
absl::Status ReadTarget(const Field& field, bool namespaced, Action* action) {
  if (namespaced && field.Has("namespace")) {
    TRIVIUM_ASSIGN_OR_RETURN(action->ns, field.At("namespace").Text());
  }
  TRIVIUM_ASSIGN_OR_RETURN(action->name, field.At("name").Text());
  return absl::OkStatus();
}

absl::Status ReadLabels(const Field& field, Action* action) {
  if (!field.Has("labels")) return absl::OkStatus();
  TRIVIUM_ASSIGN_OR_RETURN(action->labels, field.At("labels").TextMap());
  return absl::OkStatus();
}

absl::StatusOr<Action> ReadAction(const Field& field) {
  TRIVIUM_RETURN_IF_ERROR(field.Object({"cluster", "apply", "delete", "createNamespace", "deleteNamespace",
                                        "labelNamespace", "createPod", "deletePod", "labelPod"}));
  Action action;
  TRIVIUM_ASSIGN_OR_RETURN(action.cluster, field.At("cluster").Text());
  int verbs = 0;
  if (field.Has("apply")) {
    ++verbs;
    action.kind = Action::Kind::kApply;
    TRIVIUM_ASSIGN_OR_RETURN(action.text, field.At("apply").Text());
  }
  if (field.Has("delete")) {
    ++verbs;
    action.kind = Action::Kind::kDelete;
    const Field target = field.At("delete");
    TRIVIUM_RETURN_IF_ERROR(target.Object({"kind", "namespace", "name"}));
    TRIVIUM_ASSIGN_OR_RETURN(action.object_kind, target.At("kind").Text());
    TRIVIUM_RETURN_IF_ERROR(ReadTarget(target, true, &action));
    // With what is in it, like the action of that name.
    if (action.object_kind == "Namespace") action.kind = Action::Kind::kDeleteNamespace;
  }
  const std::pair<const char*, Action::Kind> namespaces[] = {
      {"createNamespace", Action::Kind::kCreateNamespace}, {"labelNamespace", Action::Kind::kLabelNamespace}};
  for (const auto& [verb, kind] : namespaces) {
    if (!field.Has(verb)) continue;
    ++verbs;
    action.kind = kind;
    TRIVIUM_RETURN_IF_ERROR(field.At(verb).Object({"name", "labels"}));
    TRIVIUM_RETURN_IF_ERROR(ReadTarget(field.At(verb), false, &action));
    TRIVIUM_RETURN_IF_ERROR(ReadLabels(field.At(verb), &action));
  }
  if (field.Has("deleteNamespace")) {
    ++verbs;
    action.kind = Action::Kind::kDeleteNamespace;
    TRIVIUM_RETURN_IF_ERROR(field.At("deleteNamespace").Object({"name"}));
    TRIVIUM_RETURN_IF_ERROR(ReadTarget(field.At("deleteNamespace"), false, &action));
  }
  if (field.Has("createPod")) {
    ++verbs;
    action.kind = Action::Kind::kCreatePod;
    TRIVIUM_ASSIGN_OR_RETURN(action.pod, ReadPod(field.At("createPod")));
  }
  if (field.Has("deletePod")) {
    ++verbs;
    action.kind = Action::Kind::kDeletePod;
    TRIVIUM_RETURN_IF_ERROR(field.At("deletePod").Object({"namespace", "name"}));
    TRIVIUM_RETURN_IF_ERROR(ReadTarget(field.At("deletePod"), true, &action));
  }
  if (field.Has("labelPod")) {
    ++verbs;
    action.kind = Action::Kind::kLabelPod;
    TRIVIUM_RETURN_IF_ERROR(field.At("labelPod").Object({"namespace", "name", "labels"}));
    TRIVIUM_RETURN_IF_ERROR(ReadTarget(field.At("labelPod"), true, &action));
    TRIVIUM_RETURN_IF_ERROR(ReadLabels(field.At("labelPod"), &action));
  }
  if (verbs != 1) return field.Error("must hold exactly one action");
  return action;
}

absl::StatusOr<Probe> ReadProbe(const Field& field, size_t step) {
  TRIVIUM_RETURN_IF_ERROR(field.Object({"port", "protocol", "family", "order", "table", "flow", "since"}));
  Probe probe;
  TRIVIUM_ASSIGN_OR_RETURN(const uint64_t port, field.At("port").Number(65535));
  probe.port = static_cast<uint16_t>(port);
  TRIVIUM_ASSIGN_OR_RETURN(probe.protocol, ReadProtocol(field.At("protocol")));
  if (field.Has("family")) {
    TRIVIUM_ASSIGN_OR_RETURN(const uint64_t family, field.At("family").Number(6));
    if (family != 4 && family != 6) return field.At("family").Error("must be 4 or 6");
    probe.family = static_cast<int>(family);
  }
  if (probe.protocol == v1::PROTOCOL_ICMP) {
    if (probe.port > 255) return field.At("port").Error("of ICMP must be a type, 0 to 255");
    if (probe.family == 6) probe.protocol = v1::PROTOCOL_ICMPV6;
  }
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Field> order, field.At("order").List());
  for (const Field& item : order) {
    TRIVIUM_ASSIGN_OR_RETURN(std::string ref, item.Text());
    probe.order.push_back(std::move(ref));
  }
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Field> table, field.At("table").List());
  for (const Field& item : table) {
    TRIVIUM_ASSIGN_OR_RETURN(std::string row, item.Text());
    if (row.size() != order.size() || row.find_first_not_of("01.") != std::string::npos) {
      return item.Error(absl::StrCat("must be ", order.size(), " of '0', '1' and '.'"));
    }
    probe.table.push_back(std::move(row));
  }
  if (table.size() != order.size())
    return field.At("table").Error(absl::StrCat("must have ", order.size(), " rows"));
  if (field.Has("flow")) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::string flow, field.At("flow").Text());
    if (flow != "established") return field.At("flow").Error("must be \"established\"");
    TRIVIUM_ASSIGN_OR_RETURN(const uint64_t since, field.At("since").Number(step));
    probe.established_since = since;
  } else if (field.Has("since")) {
    return field.At("since").Error("means nothing without \"flow\": \"established\"");
  }
  return probe;
}

absl::StatusOr<Step> ReadStep(const Field& field, size_t number) {
  TRIVIUM_RETURN_IF_ERROR(field.Object({"do", "probes", "refused"}));
  Step step;
  if (field.Has("do")) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Field> items, field.At("do").List());
    for (const Field& item : items) {
      TRIVIUM_ASSIGN_OR_RETURN(Action action, ReadAction(item));
      step.actions.push_back(std::move(action));
    }
  }
  if (field.Has("probes")) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Field> items, field.At("probes").List());
    for (const Field& item : items) {
      TRIVIUM_ASSIGN_OR_RETURN(Probe probe, ReadProbe(item, number));
      step.probes.push_back(std::move(probe));
    }
  }
  if (field.Has("refused")) {
    TRIVIUM_ASSIGN_OR_RETURN(step.refused, field.At("refused").Bool());
  }
  if (step.refused) {
    for (const Action& action : step.actions) {
      if (action.kind != Action::Kind::kApply) return field.Error("a refused step may hold apply alone");
    }
  }
  return step;
}

}  // namespace

uint16_t Probe::rule_port() const {
  const bool icmp = protocol == v1::PROTOCOL_ICMP || protocol == v1::PROTOCOL_ICMPV6;
  return icmp ? static_cast<uint16_t>(port << 8) : port;
}

absl::StatusOr<Case> ParseCase(absl::string_view json) {
  const Json root = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded()) return absl::InvalidArgumentError("not JSON");
  const Field field(root, "");
  TRIVIUM_RETURN_IF_ERROR(field.Object({"format", "name", "about", "tags", "world", "steps"}));
  TRIVIUM_ASSIGN_OR_RETURN(const uint64_t format, field.At("format").Number(1000));
  if (format != 1) return field.At("format").Error("must be 1");
  Case result;
  TRIVIUM_ASSIGN_OR_RETURN(result.name, field.At("name").Text());
  if (field.Has("about")) TRIVIUM_RETURN_IF_ERROR(field.At("about").Text().status());
  if (field.Has("tags")) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Field> tags, field.At("tags").List());
    for (const Field& tag : tags) TRIVIUM_RETURN_IF_ERROR(tag.Text().status());
  }
  const Field world = field.At("world");
  TRIVIUM_RETURN_IF_ERROR(world.Object({"clusters", "externals"}));
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Field> clusters, world.At("clusters").List());
  for (const Field& item : clusters) {
    TRIVIUM_ASSIGN_OR_RETURN(Cluster cluster, ReadCluster(item));
    result.clusters.push_back(std::move(cluster));
  }
  if (world.Has("externals")) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Field> externals, world.At("externals").List());
    for (const Field& item : externals) {
      TRIVIUM_RETURN_IF_ERROR(item.Object({"name", "ips", "ports"}));
      External external;
      TRIVIUM_ASSIGN_OR_RETURN(external.name, item.At("name").Text());
      TRIVIUM_ASSIGN_OR_RETURN(external.ips, item.At("ips").Ips());
      if (item.Has("ports")) TRIVIUM_RETURN_IF_ERROR(ReadPorts(item.At("ports")).status());
      result.externals.push_back(std::move(external));
    }
  }
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Field> steps, field.At("steps").List());
  for (size_t i = 0; i < steps.size(); ++i) {
    TRIVIUM_ASSIGN_OR_RETURN(Step step, ReadStep(steps[i], i));
    result.steps.push_back(std::move(step));
  }
  return result;
}

}  // namespace trivium::conformance
