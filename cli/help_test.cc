// What everybody meets first: help, examples, misspelt words, contexts, completion.
#include "cli/commands_fixture.h"
#include "cli/complete.h"
#include "cli/usage.h"

namespace trivium::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Every command that does something, with its path.
void ForEachCommand(const CLI::App& app, const std::string& path,
                    const std::function<void(const CLI::App&, const std::string&)>& visit) {
  const auto below = app.get_subcommands(nullptr);
  if (below.empty()) visit(app, path);
  for (const CLI::App* sub : below) ForEachCommand(*sub, path + " " + sub->get_name(), visit);
}

TEST_F(CommandsTest, EveryCommandHasAnExample) {
  Session session;
  CLI::App app("test", "triviumctl");
  AddCommands(&app, &session);
  size_t commands = 0;
  ForEachCommand(app, "triviumctl", [&](const CLI::App& command, const std::string& path) {
    ++commands;
    EXPECT_THAT(command.get_footer(), HasSubstr("Example")) << path;
    EXPECT_THAT(command.get_footer(), HasSubstr(path)) << path;
    EXPECT_FALSE(command.get_description().empty()) << path;
    for (const CLI::Option* option : command.get_options()) {
      if (option->get_name() == "--service-account") continue;
      EXPECT_FALSE(option->get_description().empty()) << path << " " << option->get_name();
    }
  });
  EXPECT_GT(commands, 20u);
}

TEST_F(CommandsTest, HelpOfCommandsAndSubjects) {
  EXPECT_EQ(Run({"help", "exit-codes"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("3  nobody answered"));
  EXPECT_EQ(Run({"help", "policy", "trace"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("triviumctl policy trace"));
  EXPECT_THAT(out(), HasSubstr("--from-entity"));
  EXPECT_EQ(Run({"help"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("rollout"));
  EXPECT_EQ(Run({"help", "policy", "trcae"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("did you mean 'trace'?"));
  EXPECT_EQ(Run({"get", "--help"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("--all-clusters"));
}

TEST_F(CommandsTest, MisspeltCommandsAndOptionsNameTheNearest) {
  EXPECT_EQ(Run({"gte", "netpol"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("unknown command 'gte'; did you mean 'get'?"));
  EXPECT_EQ(Run({"policy", "dif", "-f", "x"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("unknown command 'dif'; did you mean 'diff'?; there are: trace, diff"));
  EXPECT_EQ(Run({"get", "netpol", "--nmaespace", "shop"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("unknown option '--nmaespace'; did you mean '--namespace'?"));
  EXPECT_EQ(Run({"frobnicate"}), kExitUsage);
  EXPECT_THAT(err(), HasSubstr("there are: apply, delete, get"));
  EXPECT_EQ(Run({"get", "netpol", "-c", "many"}), kExitUsage);
  EXPECT_THAT(err(), Not(HasSubstr("unknown"))) << "nothing is misspelt there";
}

// ---- config

TEST_F(CommandsTest, ContextsAreListedAndSwitched) {
  EXPECT_EQ(Run({"config", "get-contexts"}), kExitOk) << err();
  EXPECT_EQ(out(),
            "CURRENT   NAME   CLUSTER    PRINCIPAL            NAMESPACE   SERVERS\n"
            "*         aws    aws-euw2   aws-euw2:ctl:admin   default     t\n"
            "-         gcp    gcp-euw2   gcp-euw2:ctl:admin   default     t\n");
  EXPECT_EQ(Run({"config", "get-contexts", "-o", "name"}), kExitOk);
  EXPECT_EQ(out(), "aws\ngcp\n");
  EXPECT_EQ(Run({"config", "use-context", "gcp"}), kExitOk) << err();
  EXPECT_EQ(out(), "Switched to context \"gcp\".\n");
  EXPECT_EQ(Run({"config", "current-context"}), kExitOk);
  EXPECT_EQ(out(), "gcp\n");
  EXPECT_EQ(Run({"config", "use-context", "azure"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("there are: aws, gcp"));
  EXPECT_EQ(Run({"config", "view"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("current_context: gcp\ncontexts:\n  - name: aws\n"));
}

// ---- completion

class CompleteTest : public CommandsTest {
 protected:
  std::vector<std::string> Words(std::vector<std::string> words) {
    Session session;
    session.connect = [this](const Context& context) -> absl::StatusOr<std::unique_ptr<Connection>> {
      return std::unique_ptr<Connection>(new ScriptedConnection(&bus_, &executor_, context));
    };
    session.clock = RealClock();
    CLI::App app("test", "triviumctl");
    AddCommands(&app, &session);
    words.insert(words.begin(), {"--config", (folder_ / "triviumctl.yaml").string()});
    return Complete(app, &session, words);
  }
  void Holds(const std::vector<std::string>& names) {
    v1::Reply reply;
    for (const std::string& name : names) {
      reply.mutable_get()->add_items()->mutable_object()->mutable_object()->mutable_namespace_()->set_name(
          name);
    }
    bus_.answers = {Says(reply)};
  }
};

TEST_F(CompleteTest, CommandsOptionsKindsAndFields) {
  EXPECT_THAT(Words({"de"}), ElementsAre("delete", "describe"));
  EXPECT_THAT(Words({""}), Contains("rollout"));
  EXPECT_THAT(Words({"policy", ""}), ElementsAre("diff", "trace"));
  EXPECT_THAT(Words({"get", "--all"}), ElementsAre("--all-clusters", "--all-namespaces"));
  EXPECT_THAT(Words({"get", "netp"}), ElementsAre("netpol"));
  EXPECT_THAT(Words({"get", "-A", "cnp,name"}), ElementsAre("cnp,namespaces"));
  EXPECT_THAT(Words({"get", "pods", "-o", "ja"}), IsEmpty());
  EXPECT_THAT(Words({"get", "pods", "-o", "y"}), ElementsAre("yaml"));
  EXPECT_THAT(Words({"explain", "netpol.spec.e"}), ElementsAre("netpol.spec.egress"));
  EXPECT_THAT(Words({"explain", "cc"}), ElementsAre("ccg", "ccnp"));
  EXPECT_THAT(Words({"help", "config", "use"}), ElementsAre("use-context"));
  EXPECT_THAT(Words({"help", "exit"}), ElementsAre("exit-codes"));
  EXPECT_THAT(Words({"--context", "g"}), ElementsAre("gcp"));
  EXPECT_THAT(Words({"config", "use-context", ""}), ElementsAre("aws", "gcp"));
  EXPECT_THAT(Words({"get", "--output=", ""}), Contains("netpol"));
  EXPECT_TRUE(bus_.requests.empty()) << "nobody is asked for what is known";
}

TEST_F(CompleteTest, NamesAreAskedFor) {
  Holds({"shop", "stock", "bank"});
  EXPECT_THAT(Words({"get", "ns", "s"}), ElementsAre("shop", "stock"));
  EXPECT_THAT(Words({"describe", "ns/b"}), ElementsAre("ns/bank"));
  EXPECT_THAT(Words({"get", "netpol", "-n", "sh"}), ElementsAre("shop"));
  EXPECT_EQ(bus_.requests.back().get().kind(), "Namespace");
  EXPECT_THAT(Words({"--context", "gcp", "get", "netpol", "-n", "shop", ""}),
              ElementsAre("bank", "shop", "stock"));
  EXPECT_EQ(bus_.requests.back().get().namespace_(), "shop");
  EXPECT_THAT(bus_.subjects.back(), HasSubstr(".gcp-euw2."));
  EXPECT_THAT(Words({"rollout", "status", "sh"}), ElementsAre("shop"));
  EXPECT_EQ(bus_.requests.back().get().kind(), "CiliumClusterwideNetworkPolicy");
}

TEST_F(CompleteTest, NobodyThereIsNoError) {
  bus_.answers = {Fails(absl::InvalidArgumentError("no"))};
  EXPECT_THAT(Words({"get", "ns", ""}), IsEmpty());
  EXPECT_THAT(Words({"--config", "/nowhere/at/all", "get", "ns", ""}), IsEmpty());
}

}  // namespace
}  // namespace trivium::cli
