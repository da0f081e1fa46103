// Columns as kubectl prints them: upper-case heads, two or more spaces between, no rules. Pure.
#pragma once

#include <string>
#include <vector>

namespace trivium::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> head) : head_(std::move(head)) {}

  // As many cells as the head has; an empty cell is printed as "<none>".
  void AddRow(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // `widths`, if given: the least width of each column, and then the widths that were used, so that lines
  // that come later stand below.
  std::string ToString(bool with_head = true, std::vector<size_t>* widths = nullptr) const;

 private:
  std::vector<std::string> head_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace trivium::cli
