// One node on a made-up mesh: a NATS server, the mesh's control plane (trivium-bench-mesh) and the product's
// agent process with real kernel maps, in a network of their own. For measurements; not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/bulk/process.h"
#include "bench/bulk/synthetic.h"
#include "tests/support/cutting_proxy.h"
#include "tests/support/nats_fixture.h"
#include "trivium/v1/agent_api.pb.h"

namespace trivium::bench {

class BulkWorld {
 public:
  // `build`: the folder of the built programs. EnterOwnNetwork came first.
  static absl::StatusOr<std::unique_ptr<BulkWorld>> Start(const std::string& build,
                                                          const SyntheticOptions& options);
  ~BulkWorld();

  absl::Status StartAgent();
  // SIGKILL: maps, programs and files stay.
  void KillAgent();
  // Kills it and takes everything away that it left, maps included.
  absl::Status RemoveAgent();
  // Cuts the agent off from NATS, or lets it back.
  void CutOff(bool cut) { link_->Refuse(cut); }

  // Until the agent says that it enforces every cluster's head as the server has it now, and is in step; how
  // long that took from `start`.
  absl::StatusOr<absl::Duration> WaitUntilCurrent(absl::Time start, absl::Duration limit);
  absl::StatusOr<std::string> Ask(const std::string& line) { return server_->Ask(line); }
  absl::StatusOr<v1::AgentStatusResult> AgentStatus(bool audit = false);

  // For a node that a measurement plays: addresses of the first cluster that nobody has.
  v1::Cidr ProbeCidr() const;
  std::string pin_root() const;
  const std::string& nats() const { return nats_url_; }
  const Process& agent() const { return *agent_; }
  const Process& server() const { return *server_; }
  const MemoryGroup& memory() const { return *memory_; }
  const std::string& folder() const { return folder_.path(); }

 private:
  BulkWorld(std::string build, SyntheticOptions options);

  const std::string build_;
  const SyntheticOptions options_;
  TempFolder folder_;
  std::unique_ptr<PlainNats> nats_server_;
  std::string nats_url_;
  std::unique_ptr<CuttingProxy> link_;
  std::optional<Process> server_;
  std::optional<MemoryGroup> memory_;
  std::optional<Process> agent_;
  std::string config_;
};

}  // namespace trivium::bench
