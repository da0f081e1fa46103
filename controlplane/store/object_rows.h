// Objects as rows: which table holds a kind, and the parameters of its bulk statements, in the order that
// db/object_statements.cc expects. Pure; not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/db/params.h"
#include "controlplane/db/statements.h"
#include "schema/object.h"

namespace trivium {

struct ObjectTable {
  v1::Kind kind;
  const Statement* upsert;
  const Statement* erase;
  const Statement* read;
  const Statement* read_manifest;  // null: this kind never comes as a manifest
};

// In the order of the kinds' numbers.
const std::vector<ObjectTable>& ObjectTables();
const ObjectTable* FindObjectTable(v1::Kind kind);

// The columns of the table's own key, as text. kInvalidArgument for a key that is none of that kind.
absl::StatusOr<std::vector<std::string>> KeyColumns(const ObjectKey& key);

// The rows of one kind in one batch, column by column. A key is added at most once.
class ObjectRows {
 public:
  // kInvalidArgument for an object that no row can hold (malformed address, uid or key).
  absl::Status AddUpsert(const ObjectKey& key, const v1::Object& object, const std::string& manifest);
  absl::Status AddDelete(const ObjectKey& key);

  bool has_upserts() const { return !upserts_.empty(); }
  bool has_deletes() const { return !deletes_.empty(); }
  // Appends the arrays of the upsert statement (after home, cluster_id and revision), or of the delete
  // statement (after home and cluster_id).
  void AppendUpserts(Params* params) const;
  void AppendDeletes(Params* params) const;

 private:
  std::vector<ArrayText> upserts_;
  std::vector<ArrayText> deletes_;
};

// 4 or 16 bytes in network order as SQL's INET prints them. kInvalidArgument for other lengths.
absl::StatusOr<std::string> InetText(const std::string& address);

}  // namespace trivium
