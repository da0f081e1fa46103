// Objects of any cluster, asked of one control plane: what get, describe, diff and completion stand on.
// Blocking, for main threads only; not thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/client.h"
#include "cli/kinds.h"
#include "cli/session.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::cli {

class Fetcher {
 public:
  // Every call waits for at most `timeout`. The client is not owned.
  Fetcher(Client* client, absl::Duration timeout) : client_(client), timeout_(timeout) {}

  // `cluster`: whose; of no meaning for kinds of the mesh. `ns` empty: every namespace. `name` empty: all.
  absl::StatusOr<v1::GetResult> Get(const KindInfo& kind, const std::string& cluster, const std::string& ns,
                                    const std::string& name);
  // A list comes without manifests: asks for each by its name, so that what is printed can be applied again.
  absl::Status AddManifests(const KindInfo& kind, const std::string& cluster, v1::GetResult* result);

  // What the numbers in endpoints stand for.
  absl::StatusOr<std::map<uint32_t, std::string>> NodeNames(const std::string& cluster);
  absl::StatusOr<std::map<uint32_t, v1::Identity>> Identities(const std::string& cluster);
  // Of the whole mesh, in order.
  absl::StatusOr<std::vector<std::string>> Clusters();
  absl::StatusOr<v1::StatusResult> Status();

 private:
  Client* const client_;
  const absl::Duration timeout_;
};

// Every control plane mirrors every cluster: a --cluster that has no context of its own is asked about
// elsewhere. `cluster` becomes the one that is asked about.
absl::StatusOr<Context> ContextForReading(const Session& session, std::string* cluster);

}  // namespace trivium::cli
