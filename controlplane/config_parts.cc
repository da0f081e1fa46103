#include "controlplane/config_parts.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace trivium {
namespace {

absl::Status ReadTls(const YamlSection& section, ControlPlaneConfig::Endpoints* out) {
  TRIVIUM_RETURN_IF_ERROR(section.OptionalFile("ca", &out->ca));
  TRIVIUM_RETURN_IF_ERROR(section.OptionalFile("cert", &out->cert));
  TRIVIUM_RETURN_IF_ERROR(section.OptionalFile("key", &out->key));
  if (out->ca.empty() != out->cert.empty() || out->ca.empty() != out->key.empty()) {
    return section.Error("give all of ca, cert and key, or none of them");
  }
  return absl::OkStatus();
}

absl::Status ReadRegions(const YamlSection& sql, std::vector<std::pair<uint32_t, std::string>>* out) {
  std::vector<std::string> texts;
  TRIVIUM_RETURN_IF_ERROR(sql.OptionalTextList("regions", &texts));
  for (const std::string& text : texts) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
    uint32_t home = 0;
    if (!absl::SimpleAtoi(parts.first, &home) || parts.second.empty()) {
      return sql.Error("regions", absl::StrCat("\"", text, "\": want <home>=<name>, like 1=aws-eu-west-2"));
    }
    out->emplace_back(home, parts.second);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadNatsSection(const YamlSection& top, ControlPlaneConfig::Endpoints* out) {
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection nats, top.Section("nats"));
  TRIVIUM_RETURN_IF_ERROR(nats.Allow({"servers", "ca", "cert", "key"}));
  TRIVIUM_RETURN_IF_ERROR(nats.TextList("servers", &out->servers));
  return ReadTls(nats, out);
}

absl::Status ReadSqlSection(const YamlSection& top, SqlPlace* out) {
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection sql, top.Section("sql"));
  TRIVIUM_RETURN_IF_ERROR(
      sql.Allow({"hosts", "far_hosts", "database", "user", "ca", "cert", "key", "regions"}));
  TRIVIUM_RETURN_IF_ERROR(sql.TextList("hosts", &out->servers.servers));
  TRIVIUM_RETURN_IF_ERROR(sql.OptionalTextList("far_hosts", &out->far_hosts));
  TRIVIUM_RETURN_IF_ERROR(ReadRegions(sql, &out->regions));
  TRIVIUM_RETURN_IF_ERROR(sql.Text("database", &out->database));
  TRIVIUM_RETURN_IF_ERROR(sql.Text("user", &out->user));
  return ReadTls(sql, &out->servers);
}

absl::StatusOr<SqlServerOptions> SqlOptionsOf(const SqlPlace& place, const std::string& application) {
  SqlServerOptions options;
  for (const std::string& host : place.servers.servers) {
    TRIVIUM_ASSIGN_OR_RETURN(SqlHost parsed, SqlHost::Parse(host));
    options.hosts.push_back(std::move(parsed));
  }
  for (const std::string& host : place.far_hosts) {
    TRIVIUM_ASSIGN_OR_RETURN(SqlHost parsed, SqlHost::Parse(host));
    options.far_hosts.push_back(std::move(parsed));
  }
  options.database = place.database;
  options.user = place.user;
  options.tls = !place.servers.ca.empty();
  options.ca = place.servers.ca;
  options.cert = place.servers.cert;
  options.key = place.servers.key;
  options.application = application;
  return options;
}

}  // namespace trivium
