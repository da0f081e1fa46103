// One session with a SQL server: prepared statements in libpq pipelines, a deadline on every call.
//
// Blocking, so it lives on a driver thread (db/sql_pool.h, migrate/). Not thread-safe. After an error that
// lost the connection usable() is false and every call fails with SQLSTATE 08006. Errors are those of
// db/sql_state.h. This room is the only one that knows libpq.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/id128.h"
#include "controlplane/db/params.h"
#include "controlplane/db/server_options.h"
#include "controlplane/db/statements.h"

struct pg_conn;
struct pg_result;

namespace trivium {

// The rows of one statement, in binary form. Columns are counted from 0.
class SqlResult {
 public:
  SqlResult() = default;
  explicit SqlResult(pg_result* result) : result_(result) {}

  pg_result* raw() const { return result_.get(); }
  int rows() const;
  int64_t affected() const;  // rows written
  bool IsNull(int row, int column) const;
  int64_t Int(int row, int column) const;        // INT2, INT4, INT8, BOOL
  std::string Bytes(int row, int column) const;  // BYTEA, TEXT
  Id128 Id(int row, int column) const;           // UUID

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

// Statements that go to the server in one write, with one Sync at the end: one round trip. Without Begin and
// Commit each stands for itself.
class Pipeline {
 public:
  Pipeline& Add(const Statement& statement, Params params = {});
  // A statement that is not prepared: transaction control, SET, DDL.
  Pipeline& AddText(std::string sql, Params params = {});
  Pipeline& Begin() { return AddText("BEGIN"); }
  Pipeline& BeginSnapshot() { return AddText("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); }
  Pipeline& Commit() { return AddText("COMMIT"); }
  size_t size() const { return steps_.size(); }

 private:
  friend class Connection;
  struct Step {
    const Statement* statement;  // null: `sql`
    std::string sql;
    Params params;
  };
  std::vector<Step> steps_;
};

class Connection {
 public:
  // `wake_fd`, if not -1, makes every wait end with kCancelled once it is readable.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const SqlHost& host,
                                                          const SqlServerOptions& options, int wake_fd = -1);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  absl::Status Prepare(const std::vector<const Statement*>& statements);
  // One result per step, or the first error; after an error an open transaction has been rolled back.
  absl::StatusOr<std::vector<SqlResult>> Run(const Pipeline& pipeline);
  // Like Run, with a time limit of its own instead of the session's.
  absl::StatusOr<std::vector<SqlResult>> Run(const Pipeline& pipeline, absl::Duration limit);

  bool usable() const { return connection_ != nullptr; }
  bool is_cockroach() const { return is_cockroach_; }
  const std::string& peer() const { return peer_; }

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };

  Connection(std::string peer, const SqlServerOptions& options, int wake_fd);
  absl::Status Connect(const SqlHost& host);
  absl::Status SetUpSession();
  absl::Status Send(const Pipeline& pipeline);
  absl::StatusOr<std::vector<SqlResult>> Receive(size_t steps, absl::Duration deadline);
  absl::Status WaitFor(short events, absl::Duration deadline);
  absl::Status Rollback();
  absl::Status Lost(absl::string_view what);

  const std::string peer_;
  const SqlServerOptions options_;
  const int wake_fd_;
  std::unique_ptr<pg_conn, Finish> connection_;
  bool is_cockroach_ = false;
};

}  // namespace trivium
