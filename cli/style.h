// Colours, on a terminal only. Value type.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace trivium::cli {

struct Style {
  bool colour = false;

  std::string Good(absl::string_view text) const { return Wrap("32", text); }
  std::string Warn(absl::string_view text) const { return Wrap("33", text); }
  std::string Bad(absl::string_view text) const { return Wrap("31", text); }

 private:
  std::string Wrap(absl::string_view code, absl::string_view text) const {
    return colour ? absl::StrCat("\x1b[", code, "m", text, "\x1b[0m") : std::string(text);
  }
};

}  // namespace trivium::cli
