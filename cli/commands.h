// Each command adds itself to the program and, once parsed, sets Session::run. One file each, *_command.cc.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/session.h"

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace trivium::cli {

void AddApplyCommand(CLI::App* app, Session* session);
void AddDeleteCommand(CLI::App* app, Session* session);
void AddGetCommand(CLI::App* app, Session* session);
void AddDescribeCommand(CLI::App* app, Session* session);
void AddDiffCommand(CLI::App* app, Session* session);
void AddExplainCommand(CLI::App* app, Session* session);
void AddRolloutCommand(CLI::App* app, Session* session);
void AddConfigCommand(CLI::App* app, Session* session);
void AddStatusCommand(CLI::App* app, Session* session);
void AddEndpointCommand(CLI::App* app, Session* session);
// The part of `endpoint` that looks at one pod.
void AddEndpointInspection(CLI::App* group, Session* session);
void AddMonitorCommand(CLI::App* app, Session* session);
void AddPolicyCommand(CLI::App* app, Session* session);
// The part of `policy` that compares.
void AddPolicyDiff(CLI::App* group, Session* session);
void AddReachabilityCommand(CLI::App* app, Session* session);
void AddAdminCommand(CLI::App* app, Session* session);
void AddConnectivityCommand(CLI::App* app, Session* session);
void AddSysdumpCommand(CLI::App* app, Session* session);
void AddCompletionCommand(CLI::App* app, Session* session);
void AddHelpCommand(CLI::App* app, Session* session);
void AddVersionCommand(CLI::App* app, Session* session);

// Every command of triviumctl but `mesh` (cli/mesh), and the global options.
void AddCommands(CLI::App* app, Session* session);

// What to say to a command line that could not be parsed (or asked for help), and the exit status.
int UsageExit(const CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words,
              const Session& session);

// Waits until every node of the client's cluster enforces `revision` (0: what the cluster holds now); prints
// the outcome. kExitOk; kExitRefused if a node could not enforce it; kExitTimedOut if some were late or
// silent.
absl::StatusOr<int> WaitEnforced(Session* session, Client* client, uint64_t epoch, uint64_t revision,
                                 absl::Duration timeout);

}  // namespace trivium::cli
