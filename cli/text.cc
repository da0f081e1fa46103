#include "cli/text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "policy/labels.h"
#include "schema/object_json.h"

namespace trivium::cli {
namespace {

// What every key of these sources is written without.
constexpr char kKubernetes[] = "k8s:";
constexpr char kAnySource[] = "any:";

bool IsScope(const v1::Requirement& requirement, absl::string_view ns) {
  if (requirement.operator_() != v1::Requirement::IN || requirement.values_size() != 1) return false;
  return requirement.key() == policy::kClusterLabel ||
         (!ns.empty() && requirement.key() == policy::kNamespaceLabel && requirement.values(0) == ns);
}

}  // namespace

std::string IpText(absl::string_view bytes) { return json::IpText(bytes); }
std::string CidrText(const v1::Cidr& cidr) { return json::CidrText(cidr); }
std::string UidText(absl::string_view bytes) { return json::UidText(bytes); }

std::string ProtocolText(v1::Protocol protocol) {
  return std::string(absl::StripPrefix(v1::Protocol_Name(protocol), "PROTOCOL_"));
}

std::string SelectorText(const v1::Selector& selector, absl::string_view ns) {
  std::vector<std::string> parts;
  for (const v1::Requirement& requirement : selector.requirements()) {
    if (IsScope(requirement, ns)) continue;
    const std::string key(absl::StripPrefix(absl::StripPrefix(requirement.key(), kKubernetes), kAnySource));
    const std::string values = absl::StrJoin(requirement.values(), ",");
    switch (requirement.operator_()) {
      case v1::Requirement::IN:
        parts.push_back(requirement.values_size() == 1 ? absl::StrCat(key, "=", values)
                                                       : absl::StrCat(key, " in (", values, ")"));
        break;
      case v1::Requirement::NOT_IN:
        parts.push_back(requirement.values_size() == 1 ? absl::StrCat(key, "!=", values)
                                                       : absl::StrCat(key, " notin (", values, ")"));
        break;
      case v1::Requirement::EXISTS:
        parts.push_back(key);
        break;
      case v1::Requirement::DOES_NOT_EXIST:
        parts.push_back(absl::StrCat("!", key));
        break;
      default:
        parts.push_back(absl::StrCat(key, "?"));
    }
  }
  return absl::StrJoin(parts, ",");
}

std::string PodLabelsText(const v1::Identity& identity) {
  const auto labels = policy::PodLabelsOf(identity);
  if (labels.empty() && identity.labels_size() > 0 &&
      !absl::StartsWith(identity.labels(0).key(), kKubernetes)) {
    return identity.labels(0).key();  // reserved:host and its like
  }
  return absl::StrJoin(labels, ",", absl::PairFormatter("="));
}

std::string AgeText(absl::Duration age) {
  age = std::max(age, absl::ZeroDuration());
  if (age < absl::Seconds(120)) return absl::StrCat(absl::ToInt64Seconds(age), "s");
  if (age < absl::Minutes(120)) return absl::StrCat(absl::ToInt64Minutes(age), "m");
  if (age < absl::Hours(48)) return absl::StrCat(absl::ToInt64Hours(age), "h");
  return absl::StrCat(absl::ToInt64Hours(age) / 24, "d");
}

std::string WithoutPassword(absl::string_view text) {
  std::string out;
  while (true) {
    const size_t scheme = text.find("://");
    if (scheme == absl::string_view::npos) break;
    const size_t begin = scheme + 3;
    // The authority ends where no URL could go on with it.
    const size_t end = std::min(text.find_first_of("/?# \t\n\"',", begin), text.size());
    const absl::string_view authority = text.substr(begin, end - begin);
    const size_t at = authority.rfind('@');
    absl::StrAppend(&out, text.substr(0, begin));
    if (at == absl::string_view::npos) {
      absl::StrAppend(&out, authority);
    } else {
      const size_t colon = authority.substr(0, at).find(':');
      // A user alone may be a token.
      absl::StrAppend(&out,
                      colon == absl::string_view::npos ? "" : absl::StrCat(authority.substr(0, colon), ":"),
                      "xxxxx", authority.substr(at));
    }
    text.remove_prefix(end);
  }
  absl::StrAppend(&out, text);
  return out;
}

}  // namespace trivium::cli
