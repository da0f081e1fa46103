#include "base/listen_address.h"

#include <arpa/inet.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace trivium {

std::string ListenAddress::ToString() const {
  if (off()) return "off";
  const bool six = ip.find(':') != std::string::npos;
  return six ? absl::StrCat("[", ip, "]:", port) : absl::StrCat(ip, ":", port);
}

absl::StatusOr<ListenAddress> ListenAddress::Parse(absl::string_view text) {
  ListenAddress address;
  if (text == "off") return address;
  const absl::Status error = absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\": want <address>:<port>, like 127.0.0.1:9460 or [::1]:9460, or off"));
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return error;
  absl::string_view ip = text.substr(0, colon);
  const bool six = ip.size() > 2 && ip.front() == '[' && ip.back() == ']';
  if (six) ip = ip.substr(1, ip.size() - 2);
  uint32_t port = 0;
  unsigned char bytes[16];
  address.ip = std::string(ip);
  if (inet_pton(six ? AF_INET6 : AF_INET, address.ip.c_str(), bytes) != 1 ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port > 65535) {
    return error;
  }
  address.port = static_cast<uint16_t>(port);
  return address;
}

absl::Status ReadMetricsSection(const YamlSection& top, ListenAddress* out) {
  if (!top.Has("metrics")) return absl::OkStatus();
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection metrics, top.Section("metrics"));
  TRIVIUM_RETURN_IF_ERROR(metrics.Allow({"listen"}));
  std::string text = out->ToString();
  TRIVIUM_RETURN_IF_ERROR(metrics.OptionalText("listen", &text));
  absl::StatusOr<ListenAddress> parsed = ListenAddress::Parse(text);
  if (!parsed.ok()) return metrics.Error("listen", std::string(parsed.status().message()));
  *out = *std::move(parsed);
  return absl::OkStatus();
}

}  // namespace trivium
