#include "controlplane/db/connection.h"

#include <libpq-fe.h>
#include <poll.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status.h"
#include "controlplane/db/sql_state.h"

namespace trivium {
namespace {

constexpr int kBinary = 1;
// What the client waits beyond the server's own limit before it gives the connection up.
constexpr absl::Duration kGrace = absl::Seconds(2);

std::string Message(const char* text) {
  return std::string(absl::StripAsciiWhitespace(text != nullptr ? text : ""));
}

void LogNotice(void*, const char* message) { spdlog::debug("sql notice text=\"{}\"", Message(message)); }

uint64_t BigEndian(const char* bytes, int length) {
  uint64_t value = 0;
  for (int i = 0; i < length; ++i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

std::string SqlHost::ToString() const {
  if (host.find(':') != std::string::npos) return absl::StrCat("[", host, "]:", port);
  return absl::StrCat(host, ":", port);
}

absl::StatusOr<SqlHost> SqlHost::Parse(absl::string_view text) {
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || colon == 0 || !absl::SimpleAtoi(text.substr(colon + 1), &port) ||
      port == 0 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not host:port"));
  }
  absl::string_view host = text.substr(0, colon);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') {
      return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not [address]:port"));
    }
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\": an IPv6 address needs brackets"));
  }
  return SqlHost{std::string(host), absl::StrCat(port)};
}

void SqlResult::Clear::operator()(pg_result* result) const { PQclear(result); }

int SqlResult::rows() const { return result_ == nullptr ? 0 : PQntuples(result_.get()); }

int64_t SqlResult::affected() const {
  int64_t count = 0;
  return result_ != nullptr && absl::SimpleAtoi(PQcmdTuples(result_.get()), &count) ? count : 0;
}

bool SqlResult::IsNull(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }

int64_t SqlResult::Int(int row, int column) const {
  const int length = PQgetlength(result_.get(), row, column);
  const uint64_t value = BigEndian(PQgetvalue(result_.get(), row, column), length);
  switch (length) {
    case 2:
      return static_cast<int16_t>(value);
    case 4:
      return static_cast<int32_t>(value);
    default:
      return static_cast<int64_t>(value);
  }
}

std::string SqlResult::Bytes(int row, int column) const {
  return std::string(PQgetvalue(result_.get(), row, column), PQgetlength(result_.get(), row, column));
}

Id128 SqlResult::Id(int row, int column) const {
  const char* bytes = PQgetvalue(result_.get(), row, column);
  if (PQgetlength(result_.get(), row, column) != 16) return Id128{};
  return Id128{BigEndian(bytes, 8), BigEndian(bytes + 8, 8)};
}

Pipeline& Pipeline::Add(const Statement& statement, Params params) {
  steps_.push_back({&statement, {}, std::move(params)});
  return *this;
}

Pipeline& Pipeline::AddText(std::string sql, Params params) {
  steps_.push_back({nullptr, std::move(sql), std::move(params)});
  return *this;
}

void Connection::Finish::operator()(pg_conn* connection) const { PQfinish(connection); }

Connection::Connection(std::string peer, const SqlServerOptions& options, int wake_fd)
    : peer_(std::move(peer)), options_(options), wake_fd_(wake_fd) {}

Connection::~Connection() = default;

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const SqlHost& host,
                                                             const SqlServerOptions& options, int wake_fd) {
  std::unique_ptr<Connection> connection(new Connection(host.ToString(), options, wake_fd));
  TRIVIUM_RETURN_IF_ERROR(connection->Connect(host));
  TRIVIUM_RETURN_IF_ERROR(connection->SetUpSession());
  return connection;
}

absl::Status Connection::Lost(absl::string_view what) {
  const std::string detail =
      connection_ == nullptr ? "connection closed" : Message(PQerrorMessage(connection_.get()));
  connection_.reset();
  return SqlError("08006", absl::StrCat(peer_, ": ", what, detail.empty() ? "" : ": ", detail));
}

absl::Status Connection::WaitFor(short events, absl::Duration deadline) {
  pollfd fds[2] = {{PQsocket(connection_.get()), events, 0}, {wake_fd_, POLLIN, 0}};
  while (true) {
    const absl::Duration left = deadline - RealClock()->Monotonic();
    if (left <= absl::ZeroDuration()) return Lost("no answer in time");
    const int ms = static_cast<int>(std::min<int64_t>(absl::ToInt64Milliseconds(left) + 1, 60'000));
    const int n = poll(fds, wake_fd_ >= 0 ? 2 : 1, ms);
    if (n < 0 && errno != EINTR) return Lost(absl::StrCat("poll: ", std::strerror(errno)));
    if (n <= 0) continue;
    if (wake_fd_ >= 0 && fds[1].revents != 0) {
      connection_.reset();
      return absl::CancelledError("the store is closing");
    }
    return absl::OkStatus();
  }
}

absl::Status Connection::Connect(const SqlHost& host) {
  const std::string timeout = absl::StrCat(
      std::max<int64_t>(2, absl::ToInt64Seconds(absl::Ceil(options_.connect_timeout, absl::Seconds(1)))));
  std::vector<std::pair<const char*, const char*>> settings = {
      {"host", host.host.c_str()},
      {"port", host.port.c_str()},
      {"dbname", options_.database.c_str()},
      {"user", options_.user.c_str()},
      {"application_name", options_.application.c_str()},
      {"client_encoding", "UTF8"},
      {"connect_timeout", timeout.c_str()},
      {"keepalives_idle", "10"},
      {"keepalives_interval", "5"},
      {"tcp_user_timeout", "10000"},
      {"gssencmode", "disable"},
      {"sslmode", options_.tls ? "verify-full" : "disable"},
  };
  if (options_.tls) {
    settings.emplace_back("sslrootcert", options_.ca.c_str());
    settings.emplace_back("sslcert", options_.cert.c_str());
    settings.emplace_back("sslkey", options_.key.c_str());
  }
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : settings) {
    names.push_back(name);
    values.push_back(value);
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectStartParams(names.data(), values.data(), 0));
  const absl::Duration deadline = RealClock()->Monotonic() + options_.connect_timeout;
  auto fail = [this](absl::string_view why) {
    connection_.reset();
    return SqlError("08001", absl::StrCat(peer_, ": ", why));
  };
  if (connection_ == nullptr) return fail("out of memory");
  PostgresPollingStatusType state =
      PQstatus(connection_.get()) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED) return fail(Message(PQerrorMessage(connection_.get())));
    const absl::Status waited = WaitFor(state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
    if (absl::IsCancelled(waited)) return waited;
    if (!waited.ok()) return fail("no connection in time");
    state = PQconnectPoll(connection_.get());
  }
  PQsetNoticeProcessor(connection_.get(), LogNotice, nullptr);
  if (PQsetnonblocking(connection_.get(), 1) != 0 || PQenterPipelineMode(connection_.get()) != 1) {
    return fail(Message(PQerrorMessage(connection_.get())));
  }
  is_cockroach_ = PQparameterStatus(connection_.get(), "crdb_version") != nullptr;
  return absl::OkStatus();
}

absl::Status Connection::SetUpSession() {
  const int64_t ms = std::max<int64_t>(1, absl::ToInt64Milliseconds(options_.statement_timeout));
  Pipeline pipeline;
  pipeline.AddText(absl::StrCat("SET statement_timeout = ", ms));
  pipeline.AddText(absl::StrCat("SET idle_in_transaction_session_timeout = ", 2 * ms));
  pipeline.AddText(options_.isolation == SqlIsolation::kSerializable
                       ? "SET default_transaction_isolation = 'serializable'"
                       : "SET default_transaction_isolation = 'read committed'");
  return Annotate(Run(pipeline).status(), "setting up the session");
}

absl::Status Connection::Prepare(const std::vector<const Statement*>& statements) {
  if (!usable()) return Lost("prepare");
  for (const Statement* statement : statements) {
    if (PQsendPrepare(connection_.get(), statement->name, statement->sql, 0, nullptr) != 1) {
      return Lost("prepare");
    }
  }
  if (PQpipelineSync(connection_.get()) != 1) return Lost("prepare");
  const absl::Duration deadline = RealClock()->Monotonic() + options_.statement_timeout + kGrace;
  const absl::Status prepared = Receive(statements.size(), deadline).status();
  if (const std::optional<size_t> step = FailedStepOf(prepared); step.has_value()) {
    return Annotate(prepared, absl::StrCat("preparing ", statements[*step]->name));
  }
  return prepared;
}

absl::Status Connection::Send(const Pipeline& pipeline) {
  for (const Pipeline::Step& step : pipeline.steps_) {
    const size_t n = step.params.size();
    std::vector<const char*> values(n);
    std::vector<int> lengths(n);
    std::vector<int> formats(n);
    for (size_t i = 0; i < n; ++i) {
      values[i] = step.params.value(i).c_str();
      lengths[i] = static_cast<int>(step.params.value(i).size());
      formats[i] = step.params.binary(i) ? 1 : 0;
    }
    const int sent = step.statement != nullptr
                         ? PQsendQueryPrepared(connection_.get(), step.statement->name, static_cast<int>(n),
                                               values.data(), lengths.data(), formats.data(), kBinary)
                         : PQsendQueryParams(connection_.get(), step.sql.c_str(), static_cast<int>(n),
                                             nullptr, values.data(), lengths.data(), formats.data(), kBinary);
    if (sent != 1) return Lost("send");
  }
  if (PQpipelineSync(connection_.get()) != 1) return Lost("send");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<SqlResult>> Connection::Receive(size_t steps, absl::Duration deadline) {
  std::vector<SqlResult> results(steps);
  absl::Status error;  // the first; what follows it is its consequence
  size_t step = 0;
  auto broken = [this, &error](absl::string_view what) {
    const absl::Status lost = Lost(what);
    return error.ok() ? lost : error;
  };
  while (true) {
    const int flushed = PQflush(connection_.get());
    if (flushed < 0) return broken("send");
    if (PQisBusy(connection_.get())) {
      const absl::Status waited = WaitFor(flushed > 0 ? POLLIN | POLLOUT : POLLIN, deadline);
      if (!waited.ok()) return waited;
      // A failure here still leaves what has been read: PQgetResult says what the server said last.
      if (PQconsumeInput(connection_.get()) != 1 && PQisBusy(connection_.get())) {
        return broken("receive");
      }
      continue;
    }
    SqlResult result(PQgetResult(connection_.get()));
    if (result.raw() == nullptr) {
      if (PQstatus(connection_.get()) == CONNECTION_BAD) return broken("receive");
      ++step;
      continue;
    }
    switch (PQresultStatus(result.raw())) {
      case PGRES_PIPELINE_SYNC:
        if (!error.ok()) return error;
        return results;
      case PGRES_TUPLES_OK:
      case PGRES_COMMAND_OK:
        if (step < steps) results[step] = std::move(result);
        break;
      case PGRES_PIPELINE_ABORTED:
        break;
      default:
        if (error.ok()) {
          const char* state = PQresultErrorField(result.raw(), PG_DIAG_SQLSTATE);
          error = SqlError(state != nullptr ? state : "08006",
                           absl::StrCat(peer_, ": ", Message(PQresultErrorMessage(result.raw()))), step);
        }
        if (PQstatus(connection_.get()) == CONNECTION_BAD) return broken("receive");
    }
  }
}

absl::Status Connection::Rollback() {
  Pipeline pipeline;
  pipeline.AddText("ROLLBACK");
  TRIVIUM_RETURN_IF_ERROR(Send(pipeline));
  return Receive(1, RealClock()->Monotonic() + options_.connect_timeout).status();
}

absl::StatusOr<std::vector<SqlResult>> Connection::Run(const Pipeline& pipeline) {
  return Run(pipeline, options_.statement_timeout + kGrace);
}

absl::StatusOr<std::vector<SqlResult>> Connection::Run(const Pipeline& pipeline, absl::Duration limit) {
  if (!usable()) return Lost("run");
  for (const Pipeline::Step& step : pipeline.steps_) {
    if (step.params.HasNul()) {
      return absl::InvalidArgumentError(
          absl::StrCat(step.statement != nullptr ? step.statement->name : "statement",
                       ": a text holds a NUL character, which SQL cannot store"));
    }
  }
  TRIVIUM_RETURN_IF_ERROR(Send(pipeline));
  absl::StatusOr<std::vector<SqlResult>> results = Receive(pipeline.size(), RealClock()->Monotonic() + limit);
  if (results.ok() || !usable()) return results;
  if (PQtransactionStatus(connection_.get()) != PQTRANS_IDLE) {
    if (const absl::Status rolled_back = Rollback(); !rolled_back.ok()) {
      spdlog::warn("sql: rollback after an error failed, closing the connection peer={} error=\"{}\"", peer_,
                   rolled_back.ToString());
      connection_.reset();
    }
  }
  return results;
}

}  // namespace trivium
