#include "policy/labels.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace trivium::policy {
namespace {

constexpr char kSource[] = "k8s:";
constexpr size_t kMaxLabelName = 63;
constexpr size_t kMaxSubdomain = 253;

// What a pod must not say of itself: these keys carry what the cluster knows about it.
bool IsReservedKey(absl::string_view key) {
  return key == absl::StripPrefix(kNamespaceLabel, kSource) ||
         key == absl::StripPrefix(kClusterLabel, kSource) ||
         key == absl::StripPrefix(kServiceAccountLabel, kSource) ||
         absl::StartsWith(key, absl::StripPrefix(kNamespaceLabelsPrefix, kSource));
}

bool IsLowerAlnum(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); }

// Letters, digits, '-', '_' and '.', with a letter or digit at both ends.
bool IsLabelName(absl::string_view text) {
  if (text.empty() || text.size() > kMaxLabelName) return false;
  if (!absl::ascii_isalnum(text.front()) || !absl::ascii_isalnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool IsDnsLabel(absl::string_view text) {
  if (text.empty() || text.size() > kMaxLabelName) return false;
  if (!IsLowerAlnum(text.front()) || !IsLowerAlnum(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return IsLowerAlnum(c) || c == '-'; });
}

bool IsDnsSubdomain(absl::string_view text) {
  if (text.empty() || text.size() > kMaxSubdomain) return false;
  for (absl::string_view part : absl::StrSplit(text, '.')) {
    if (part.empty() || !IsLowerAlnum(part.front()) || !IsLowerAlnum(part.back())) return false;
    if (!std::all_of(part.begin(), part.end(), [](char c) { return IsLowerAlnum(c) || c == '-'; }))
      return false;
  }
  return true;
}

// Text in which none of `=;|%` stands for itself.
std::string Escape(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '%' || c == '=' || c == ';' || c == '|') {
      absl::StrAppend(&out, "%", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    } else {
      out += c;
    }
  }
  return out;
}

v1::Label MakeLabel(std::string key, std::string value) {
  v1::Label label;
  label.set_key(std::move(key));
  label.set_value(std::move(value));
  return label;
}

}  // namespace

std::vector<v1::Label> IdentityLabels(const PodLabels& pod) {
  std::map<std::string, std::string> all;
  for (const auto& [key, value] : pod.labels) {
    if (!IsReservedKey(key)) all[absl::StrCat(kSource, key)] = value;
  }
  for (const auto& [key, value] : pod.namespace_labels) {
    all[absl::StrCat(kNamespaceLabelsPrefix, key)] = value;
  }
  all[absl::StrCat(kNamespaceLabelsPrefix, kMetadataName)] = pod.ns;
  all[kNamespaceLabel] = pod.ns;
  all[kClusterLabel] = pod.cluster;
  all[kServiceAccountLabel] = pod.service_account;

  std::vector<v1::Label> labels;
  labels.reserve(all.size());
  for (auto& [key, value] : all) labels.push_back(MakeLabel(key, std::move(value)));
  return labels;
}

std::map<std::string, std::string> PodLabelsOf(const v1::Identity& identity) {
  std::map<std::string, std::string> labels;
  for (const v1::Label& label : identity.labels()) {
    absl::string_view key = label.key();
    if (absl::ConsumePrefix(&key, kSource) && !IsReservedKey(key)) labels[std::string(key)] = label.value();
  }
  return labels;
}

std::string LabelOf(const v1::Identity& identity, absl::string_view key) {
  for (const v1::Label& label : identity.labels()) {
    if (label.key() == key) return label.value();
  }
  return "";
}

absl::Status CheckLabelKey(absl::string_view key) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(key, absl::MaxSplits('/', 1));
  const bool prefixed = absl::StrContains(key, '/');
  const absl::string_view name = prefixed ? parts.second : key;
  if (prefixed && !IsDnsSubdomain(parts.first)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "label key \"", key,
        "\" has a bad prefix; before the '/' stands a DNS name: at most 253 lower-case letters, digits, "
        "'-' and '.'"));
  }
  if (!IsLabelName(name)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "label key \"", key,
        "\" is not valid; a key is [prefix/]name, the name 1 to 63 letters, digits, '-', '_' and '.', "
        "with a letter or digit at both ends"));
  }
  return absl::OkStatus();
}

absl::Status CheckLabelValue(absl::string_view value) {
  if (value.empty() || IsLabelName(value)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("label value \"", value,
                   "\" is not valid; a value is empty or 1 to 63 letters, digits, '-', '_' and '.', with a "
                   "letter or digit at both ends"));
}

absl::Status CheckLabel(absl::string_view key, absl::string_view value) {
  const absl::Status status = CheckLabelKey(key);
  return status.ok() ? CheckLabelValue(value) : status;
}

absl::Status CheckName(absl::string_view what, absl::string_view name) {
  if (what == "namespace") {
    if (IsDnsLabel(name)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        what, " \"", name,
        "\" is not a valid name; it is 1 to 63 lower-case letters, digits and '-', with a letter or digit "
        "at both ends"));
  }
  if (IsDnsSubdomain(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      what, " \"", name,
      "\" is not a valid name; it is 1 to 253 lower-case letters, digits, '-' and '.', each part with a "
      "letter or digit at both ends"));
}

std::string CanonicalForm(const std::vector<v1::Label>& labels,
                          const std::vector<v1::NamedPort>& named_ports) {
  std::vector<std::string> parts;
  parts.reserve(labels.size());
  for (const v1::Label& label : labels) {
    parts.push_back(absl::StrCat(Escape(label.key()), "=", Escape(label.value())));
  }
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());

  std::vector<std::string> ports;
  ports.reserve(named_ports.size());
  for (const v1::NamedPort& port : named_ports) {
    ports.push_back(
        absl::StrCat(Escape(port.name()), "=", static_cast<int>(port.protocol()), "/", port.port()));
  }
  std::sort(ports.begin(), ports.end());
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  return absl::StrCat(absl::StrJoin(parts, ";"), "|", absl::StrJoin(ports, ";"));
}

std::vector<v1::Identity> ReservedIdentities() {
  // An API server seen from another node is a remote node, too.
  static constexpr struct {
    uint32_t id;
    const char* labels[2];
  } kReserved[] = {
      {1, {"reserved:host", nullptr}},
      {2, {"reserved:world", nullptr}},
      {3, {"reserved:unmanaged", nullptr}},
      {4, {"reserved:health", nullptr}},
      {5, {"reserved:init", nullptr}},
      {6, {"reserved:remote-node", nullptr}},
      {7, {"reserved:kube-apiserver", "reserved:remote-node"}},
      {8, {"reserved:ingress", nullptr}},
  };
  std::vector<v1::Identity> identities;
  for (const auto& reserved : kReserved) {
    v1::Identity& identity = identities.emplace_back();
    identity.set_id(reserved.id);
    for (const char* key : reserved.labels) {
      if (key != nullptr) *identity.add_labels() = MakeLabel(key, "");
    }
  }
  return identities;
}

}  // namespace trivium::policy
