#include "tests/support/postgres_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "base/random.h"
#include "controlplane/db/sql_state.h"

namespace trivium {
namespace {

constexpr char kBinaries[] = "/usr/lib/postgresql/15/bin/";

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "postgres fixture: %s\n", why.c_str());
  std::abort();
}

// A child with the rights of user postgres if we are root (PostgreSQL refuses to run as root); it dies with
// this program. Output goes to `log`.
pid_t Spawn(const std::vector<std::string>& command, const std::string& log) {
  std::vector<std::string> full = command;
  if (geteuid() == 0) {
    full = {"/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres",
            "--clear-groups",   "--pdeathsig=INT",  "--"};
    full.insert(full.end(), command.begin(), command.end());
  }
  const pid_t pid = fork();
  if (pid < 0) Die(absl::StrCat("fork: ", std::strerror(errno)));
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGINT);
  const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (fd >= 0) {
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
  }
  std::vector<char*> argv;
  for (std::string& word : full) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

void RunToEnd(const std::vector<std::string>& command, const std::string& log) {
  const pid_t pid = Spawn(command, log);
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::ifstream file(log);
    const std::string said((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    Die(absl::StrCat(absl::StrJoin(command, " "), " failed:\n", said));
  }
}

std::string FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    Die(absl::StrCat("no free port: ", std::strerror(errno)));
  }
  close(fd);
  return absl::StrCat(ntohs(address.sin_port));
}

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::app) << text;
}

// migrations/bootstrap.sql, as its reader runs it.
std::vector<std::string> BootstrapStatements() {
  std::ifstream file(TRIVIUM_SOURCE_DIR "/migrations/bootstrap.sql");
  std::vector<std::string> statements;
  std::string line;
  while (std::getline(file, line)) {
    if (!line.empty() && !absl::StartsWith(line, "--")) statements.push_back(line);
  }
  if (statements.empty()) Die("migrations/bootstrap.sql is empty or missing");
  return statements;
}

void GiveToPostgres(const std::string& path) {
  if (geteuid() != 0) return;
  const passwd* user = getpwnam("postgres");
  if (user == nullptr || lchown(path.c_str(), user->pw_uid, user->pw_gid) != 0) {
    Die(absl::StrCat("giving ", path, " to postgres failed"));
  }
}

}  // namespace

PostgresServer::PostgresServer(Options options) : options_(std::move(options)) {
  char folder[] = "/tmp/trivium-pg-XXXXXX";
  if (mkdtemp(folder) == nullptr) Die("mkdtemp failed");
  folder_ = folder;
  if (chmod(folder, 0755) != 0) Die("chmod failed");
  GiveToPostgres(folder_);
  Initialize();
  // Another program may take a free port before the server does: then the next one.
  for (int attempt = 0; pid_ < 0 && attempt < 5; ++attempt) {
    port_ = FreePort();
    Start();
  }
  if (pid_ < 0) Die(absl::StrCat("the server does not start; see ", folder_, "/log"));
}

PostgresServer::~PostgresServer() {
  Stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void PostgresServer::Initialize() {
  const std::string data = folder_ + "/data";
  const std::string log = folder_ + "/log";
  WriteFile(log, "");
  GiveToPostgres(log);
  RunToEnd({absl::StrCat(kBinaries, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync",
            "--locale=C", "--encoding=UTF8", "--no-instructions"},
           log);
  std::string conf = absl::StrCat(
      "\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nshared_buffers = '32MB'\n"
      "max_connections = 100\nautovacuum = off\nlog_min_messages = warning\n");
  if (!options_.durable)
    absl::StrAppend(&conf, "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n");
  for (const std::string& line : options_.settings) absl::StrAppend(&conf, line, "\n");
  if (options_.tls) {
    MakeCertificates();
    const std::string tls = tls_folder();
    absl::StrAppend(&conf, "ssl = on\nssl_ca_file = '", tls, "/ca.crt'\nssl_cert_file = '", tls,
                    "/server.crt'\nssl_key_file = '", tls, "/server.key'\n");
    std::ofstream(data + "/pg_hba.conf") << "hostssl all all 127.0.0.1/32 cert\n";
  }
  WriteFile(data + "/postgresql.conf", conf);
}

void PostgresServer::MakeCertificates() {
  const std::string tls = tls_folder();
  const std::string log = folder_ + "/log";
  std::filesystem::create_directory(tls);
  GiveToPostgres(tls);
  auto shell = [&](const std::string& script) {
    RunToEnd({"/bin/sh", "-ec", absl::StrCat("cd ", tls, "; ", script)}, log);
  };
  shell(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-ca "
      "-keyout ca.key -out ca.crt");
  for (const char* name : {"server", "postgres", "trivium_writer", "trivium_reader"}) {
    shell(absl::StrCat("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=", name,
                       " -keyout ", name, ".key -out ", name,
                       ".csr; echo subjectAltName=IP:127.0.0.1 > ext; ", "openssl x509 -req -in ", name,
                       ".csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 ", "-extfile ext -out ", name,
                       ".crt; chmod 600 ", name, ".key"));
  }
  // Clients run as this program's user.
  for (const char* name : {"postgres", "trivium_writer", "trivium_reader"}) {
    if (chown(absl::StrCat(tls, "/", name, ".key").c_str(), geteuid(), getegid()) != 0) Die("chown failed");
  }
}

void PostgresServer::Start() {
  const pid_t pid =
      Spawn({absl::StrCat(kBinaries, "postgres"), "-D", folder_ + "/data", "-p", port_}, folder_ + "/log");
  SqlServerOptions options = ClientOptions("postgres", "postgres");
  options.connect_timeout = absl::Seconds(2);
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (absl::Now() < deadline) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) == pid) return;  // the port was taken
    if (Connection::Open(options.hosts[0], options).ok()) {
      pid_ = pid;
      return;
    }
    absl::SleepFor(absl::Milliseconds(20));  // a server says nowhere that it is ready
  }
  Die(absl::StrCat("the server does not answer; see ", folder_, "/log"));
}

void PostgresServer::Signal(int signal) {
  if (pid_ < 0) return;
  kill(pid_, signal);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
}

void PostgresServer::Stop() { Signal(SIGINT); }

void PostgresServer::Kill() {
  // SIGQUIT is the server's own immediate shutdown: no checkpoint, children die with it.
  Signal(SIGQUIT);
}

SqlServerOptions PostgresServer::ClientOptions(const std::string& database, const std::string& role) const {
  SqlServerOptions options;
  options.hosts = {{"127.0.0.1", port_}};
  options.database = database;
  options.user = role;
  options.tls = options_.tls;
  if (options_.tls) {
    options.ca = tls_folder() + "/ca.crt";
    options.cert = absl::StrCat(tls_folder(), "/", role, ".crt");
    options.key = absl::StrCat(tls_folder(), "/", role, ".key");
  }
  return options;
}

std::string PostgresServer::CreateDatabase() {
  const SqlServerOptions super = ClientOptions("postgres", "postgres");
  if (databases_ == 0) {
    MustRun(super, "CREATE ROLE trivium_writer LOGIN");
    for (const std::string& statement : BootstrapStatements()) MustRun(super, statement);
  }
  const std::string name = absl::StrCat("t", ++databases_);
  MustRun(super, absl::StrCat("CREATE DATABASE ", name, " OWNER trivium_writer"));
  return name;
}

PostgresServer* SharedPostgres() {
  static PostgresServer* server = [] {
    auto* made = new PostgresServer({});
    std::atexit([] { delete SharedPostgres(); });
    return made;
  }();
  return server;
}

SqlResult MustRun(const SqlServerOptions& server, const std::string& sql) {
  auto connection = Connection::Open(server.hosts[0], server);
  if (!connection.ok()) Die(connection.status().ToString());
  auto results = (*connection)->Run(Pipeline().AddText(sql));
  if (!results.ok()) Die(absl::StrCat(sql, ": ", results.status().ToString()));
  return std::move(results->front());
}

bool UsesForeignServer() { return std::getenv("TRIVIUM_TEST_SQL_URL") != nullptr; }

namespace {

// postgresql://user@host:port/database
SqlServerOptions ParseUrl(absl::string_view url) {
  constexpr char kWant[] = "TRIVIUM_TEST_SQL_URL: want postgresql://user@host:port/database";
  if (!absl::ConsumePrefix(&url, "postgresql://")) Die(kWant);
  const std::vector<std::string> user_rest = absl::StrSplit(url, absl::MaxSplits('@', 1));
  const std::vector<std::string> host_database = absl::StrSplit(user_rest.back(), absl::MaxSplits('/', 1));
  const absl::StatusOr<SqlHost> host = SqlHost::Parse(host_database.front());
  if (user_rest.size() != 2 || host_database.size() != 2 || !host.ok()) Die(kWant);
  SqlServerOptions options;
  options.tls = false;
  options.hosts = {*host};
  options.user = user_rest[0];
  options.database = host_database[1];
  return options;
}

}  // namespace

SqlServerOptions FreshDatabase() {
  const char* url = std::getenv("TRIVIUM_TEST_SQL_URL");
  if (url == nullptr) return SharedPostgres()->ClientOptions(SharedPostgres()->CreateDatabase());
  SqlServerOptions options = ParseUrl(url);
  const std::string name = absl::StrCat("trivium_test_", RealRandom()->NewId().ToHex().substr(0, 12));
  MustRun(options, absl::StrCat("CREATE DATABASE ", name));
  // Roles belong to the server: this one may be there from an earlier run.
  auto connection = Connection::Open(options.hosts[0], options);
  if (!connection.ok()) Die(connection.status().ToString());
  auto role = (*connection)->Run(Pipeline().AddText("CREATE ROLE trivium_reader LOGIN"));
  if (!role.ok() && SqlStateOf(role.status()) != "42710") Die(role.status().ToString());
  options.database = name;
  return options;
}

void DropFreshDatabase(const SqlServerOptions& database) {
  const char* url = std::getenv("TRIVIUM_TEST_SQL_URL");
  if (url != nullptr) MustRun(ParseUrl(url), absl::StrCat("DROP DATABASE ", database.database));
}

}  // namespace trivium
