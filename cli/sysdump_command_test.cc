// `sysdump`: what is in it, and above all what is not.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <thread>

#include "cli/commands_fixture.h"
#include "cli/tar.h"
#include "trivium/v1/agent_api.pb.h"

namespace trivium::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSecret[] = "hunter2-S3CRET";

// Answers every connection to a listening socket with what `answer` makes of it, until it is destroyed.
class Listener {
 public:
  Listener(int fd, std::function<void(int)> answer)
      : fd_(fd), thread_([this, answer = std::move(answer)] {
          while (true) {
            const int client = ::accept(fd_, nullptr, nullptr);
            if (client < 0) return;
            answer(client);
            ::close(client);
          }
        }) {}
  ~Listener() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }

 private:
  const int fd_;
  std::thread thread_;
};

int ListenUnix(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::listen(fd, 8), 0);
  return fd;
}

int ListenTcp(uint16_t* port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::listen(fd, 8), 0);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  *port = ntohs(address.sin_port);
  return fd;
}

void AnswerAgent(int client) {
  uint32_t length = 0;
  if (::recv(client, &length, sizeof(length), MSG_WAITALL) != sizeof(length)) return;
  std::string body(ntohl(length), '\0');
  if (::recv(client, body.data(), body.size(), MSG_WAITALL) != static_cast<ssize_t>(body.size())) return;
  v1::AgentReply reply;
  reply.mutable_status()->add_problems(
      absl::StrCat("cannot connect to tls://agent:", kSecret, "@10.0.0.1:4222"));
  const std::string bytes = reply.SerializeAsString();
  const uint32_t size = htonl(static_cast<uint32_t>(bytes.size()));
  EXPECT_EQ(::send(client, &size, sizeof(size), MSG_NOSIGNAL), static_cast<ssize_t>(sizeof(size)));
  EXPECT_EQ(::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

class SysdumpTest : public CommandsTest {
 protected:
  SysdumpTest() {
    const std::string server = absl::StrCat("tls://admin:", kSecret, "@10.0.0.1:4222");
    for (const char* key : {"c", "d", "e"}) {
      Write(key, absl::StrCat("-----BEGIN PRIVATE KEY-----\n", kSecret, "\n-----END PRIVATE KEY-----\n"));
    }
    Write(
        "triviumctl.yaml",
        absl::StrCat(
            "contexts:\n- {name: aws, cluster: aws-euw2, principal: 'aws-euw2:ctl:admin', nats: {servers: ['",
            server, "'], ca: c, cert: d, key: e}}\n"));
    bus_.answers = {[](const v1::Request& request) {
      v1::Reply reply;
      if (request.has_status()) {
        reply.mutable_status()->set_instance("cp1");
        v1::ClusterStatus* own = reply.mutable_status()->add_clusters();
        own->mutable_head()->set_cluster("aws-euw2");
        v1::AgentStatus* agent = own->add_agents();
        agent->set_cluster("aws-euw2");
        agent->set_node("n1");
        agent->add_applied()->set_problem(absl::StrCat("token=", kSecret));
        return reply;
      }
      if (request.get().kind() != "NetworkPolicy") return reply;
      v1::GetResult::Item* item = reply.mutable_get()->add_items();
      v1::Policy* policy = item->mutable_object()->mutable_object()->mutable_policy();
      policy->set_kind("NetworkPolicy");
      policy->set_namespace_("shop");
      policy->set_name("web");
      item->set_manifest(
          absl::StrCat("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: web\n  "
                       "annotations:\n    "
                       "example.org/api-token: ",
                       kSecret, "\nspec: {}\n"));
      return reply;
    }};
  }

  // Every file of the dump in one text, each after its name.
  std::string Everything(const std::filesystem::path& folder, std::set<std::string>* names) {
    std::string all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path());
      std::stringstream text;
      text << file.rdbuf();
      names->insert(std::filesystem::relative(entry.path(), folder).string());
      absl::StrAppend(&all, entry.path().string(), "\n", text.str());
    }
    return all;
  }
};

TEST_F(SysdumpTest, EverythingIsInItAndNoSecret) {
  const std::string log =
      Write("agent.log", absl::StrCat("start\nusing password=", kSecret, " host=db\nend\n"));
  const std::string socket = (folder_ / "a.sock").string();
  uint16_t port = 0;
  const int tcp = ListenTcp(&port);
  const Listener agent(ListenUnix(socket), AnswerAgent);
  const Listener metrics(tcp, [](int client) {
    char buffer[1024];
    EXPECT_GT(::recv(client, buffer, sizeof(buffer), 0), 0);
    const std::string page =
        absl::StrCat("HTTP/1.0 200 OK\r\n\r\ntrivium_up{url=\"nats://u:", kSecret, "@h\"} 1\n");
    EXPECT_EQ(::send(client, page.data(), page.size(), MSG_NOSIGNAL), static_cast<ssize_t>(page.size()));
  });
  const std::string url = absl::StrCat("http://127.0.0.1:", port, "/metrics");
  const std::filesystem::path to = folder_ / "dump";
  EXPECT_EQ(Run({"sysdump", "-o", to.string(), "--agent-socket", socket, "--metrics", url, "--metrics",
                 "http://127.0.0.1:1/metrics", "--log", log, "--log", (folder_ / "no.log").string()}),
            kExitOk)
      << err();
  std::set<std::string> names;
  const std::string all = Everything(to, &names);
  EXPECT_THAT(all, Not(HasSubstr(kSecret)));
  EXPECT_THAT(all, Not(HasSubstr("PRIVATE KEY-----")));
  for (const std::string& name : std::vector<std::string>{
           "version.txt", "config.yaml", "status.txt", "status.json", "missing.txt",
           "objects/aws-euw2/networkpolicies.json", "objects/aws-euw2/nodes.json",
           "objects/_mesh/clusters.json", absl::StrCat("metrics/127.0.0.1_", port, "_metrics.txt")}) {
    EXPECT_EQ(names.count(name), 1u) << name;
  }
  // What is no secret is there.
  EXPECT_THAT(all, HasSubstr("tls://admin:xxxxx@10.0.0.1:4222"));
  EXPECT_THAT(all, HasSubstr("using password=REDACTED host=db\nend\n"));
  EXPECT_THAT(all, HasSubstr("cannot connect to tls://agent:xxxxx@10.0.0.1:4222"));
  EXPECT_THAT(all, HasSubstr("example.org/api-token"));
  EXPECT_THAT(err(), HasSubstr("http://127.0.0.1:1/metrics: "));
  EXPECT_THAT(err(), HasSubstr("no.log"));
  EXPECT_THAT(out(), HasSubstr(" files\n"));
  EXPECT_EQ(Run({"sysdump", "-o", to.string()}), kExitRefused) << "nothing is overwritten";
}

TEST_F(SysdumpTest, AnArchiveThatTarReads) {
  const std::string file = (folder_ / "dump.tar").string();
  EXPECT_EQ(Run({"sysdump", "-o", file, "--agent-socket", "/nowhere", "--metrics", "ftp://x"}), kExitOk)
      << err();
  const std::filesystem::path to = folder_ / "unpacked";
  std::filesystem::create_directories(to);
  ASSERT_EQ(std::system(absl::StrCat("tar xf ", file, " -C ", to.string()).c_str()), 0);
  std::set<std::string> names;
  const std::string all = Everything(to, &names);
  EXPECT_EQ(names.count("objects/aws-euw2/networkpolicies.json"), 1u);
  EXPECT_THAT(all, Not(HasSubstr(kSecret)));
  EXPECT_THAT(all, HasSubstr("'ftp://x' is no URL of a metrics page"));
  EXPECT_FALSE(MakeTar({{std::string(101, 'x'), ""}}, absl::Now()).ok());
}

TEST_F(SysdumpTest, WithoutAnybodyToAskItSaysSo) {
  bus_.answers = {Fails(absl::InvalidArgumentError("nobody"))};
  const std::filesystem::path to = folder_ / "dump";
  EXPECT_EQ(
      Run({"sysdump", "-o", to.string(), "--agent-socket", "/nowhere", "--metrics", "http://127.0.0.1:1/"}),
      kExitOk);
  EXPECT_THAT(err(), HasSubstr("control plane of aws-euw2: nobody"));
}

}  // namespace
}  // namespace trivium::cli
