// The SQL files of migrations/, embedded at build time.
#pragma once

#include <string>
#include <vector>

namespace trivium {

struct MigrationFile {
  std::string folder;  // common, postgres or cockroach
  std::string name;    // "0001_revisions"
  std::string sql;
};

const std::vector<MigrationFile>& MigrationFiles();

}  // namespace trivium
