#include "cli/json_path.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace trivium::cli {
namespace {

struct Step {
  enum class Kind { kField, kIndex, kSlice, kAll, kDescend, kFilter } kind = Kind::kAll;
  std::string field;            // kField, kDescend ("*": everything below)
  int64_t first = 0;            // kIndex, kSlice
  std::optional<int64_t> last;  // kSlice: before it
  std::vector<Step> path;       // kFilter: of the element
  std::string op;               // kFilter; "" : it is there
  Json value;                   // kFilter
};
using Path = std::vector<Step>;

// What stands between "range" and "end" is the body.
struct Piece {
  enum class Kind { kText, kPath, kRange } kind = Kind::kText;
  std::string text;
  Path path;
  std::vector<Piece> body;
};

using Values = std::vector<const Json*>;

void Below(const Json& json, const std::string& field, Values* out) {
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) {
      if (field == "*" || key == field) out->push_back(&value);
      Below(value, field, out);
    }
  } else if (json.is_array()) {
    for (const Json& item : json) {
      if (field == "*") out->push_back(&item);
      Below(item, field, out);
    }
  }
}

Values Find(const Path& path, const Json& json);

bool Admits(const Step& filter, const Json& item) {
  const Values found = Find(filter.path, item);
  if (filter.op.empty()) return !found.empty();
  if (found.empty()) return false;
  const Json& value = *found.front();
  if (filter.op == "==") return value == filter.value;
  if (filter.op == "!=") return value != filter.value;
  if (value.is_number() != filter.value.is_number() || value.is_string() != filter.value.is_string())
    return false;
  if (filter.op == "<") return value < filter.value;
  if (filter.op == "<=") return value <= filter.value;
  if (filter.op == ">") return value > filter.value;
  return value >= filter.value;
}

void Take(const Step& step, const Json& json, Values* out) {
  switch (step.kind) {
    case Step::Kind::kField:
      if (json.is_object() && json.contains(step.field)) out->push_back(&json[step.field]);
      return;
    case Step::Kind::kDescend:
      return Below(json, step.field, out);
    case Step::Kind::kAll:
      if (json.is_structured()) {
        for (const Json& item : json) out->push_back(&item);
      }
      return;
    default:
      break;
  }
  if (!json.is_array()) return;
  const auto size = static_cast<int64_t>(json.size());
  const auto place = [&](int64_t i) { return i < 0 ? i + size : i; };
  if (step.kind == Step::Kind::kFilter) {
    for (const Json& item : json) {
      if (Admits(step, item)) out->push_back(&item);
    }
    return;
  }
  const int64_t first = place(step.first);
  const int64_t end =
      step.kind == Step::Kind::kIndex ? first + 1 : (step.last.has_value() ? place(*step.last) : size);
  if (step.kind == Step::Kind::kIndex && first < 0) return;
  for (int64_t i = std::max<int64_t>(first, 0); i < std::min(end, size); ++i) {
    out->push_back(&json[static_cast<size_t>(i)]);
  }
}

Values Find(const Path& path, const Json& json) {
  Values values = {&json};
  for (const Step& step : path) {
    Values next;
    for (const Json* value : values) Take(step, *value, &next);
    values = std::move(next);
  }
  return values;
}

std::string ValueText(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void PrintPieces(const std::vector<Piece>& pieces, const Json& json, std::string* out) {
  for (const Piece& piece : pieces) {
    switch (piece.kind) {
      case Piece::Kind::kText:
        *out += piece.text;
        break;
      case Piece::Kind::kPath:
        *out += absl::StrJoin(Find(piece.path, json), " ",
                              [](std::string* to, const Json* value) { *to += ValueText(*value); });
        break;
      case Piece::Kind::kRange:
        for (const Json* value : Find(piece.path, json)) PrintPieces(piece.body, *value, out);
        break;
    }
  }
}

class Parser {
 public:
  explicit Parser(absl::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Piece>> Pieces(bool in_range) {
    std::vector<Piece> pieces;
    while (at_ < text_.size()) {
      if (text_[at_] != '{') {
        pieces.push_back(Piece{Piece::Kind::kText, Literal('{'), {}, {}});
        continue;
      }
      ++at_;
      Blanks();
      if (Word("end")) {
        TRIVIUM_RETURN_IF_ERROR(Want("}"));
        if (!in_range) return Misread("a {range} before this {end}");
        return pieces;
      }
      Piece piece;
      if (Word("range")) {
        Blanks();
        piece.kind = Piece::Kind::kRange;
        TRIVIUM_ASSIGN_OR_RETURN(piece.path, ReadPath());
        TRIVIUM_RETURN_IF_ERROR(Want("}"));
        if (++depth_ > kMaxDepth) return Misread("fewer {range}s in one another");
        TRIVIUM_ASSIGN_OR_RETURN(piece.body, Pieces(true));
        --depth_;
      } else if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
        TRIVIUM_ASSIGN_OR_RETURN(piece.text, Quoted());
        TRIVIUM_RETURN_IF_ERROR(Want("}"));
      } else {
        piece.kind = Piece::Kind::kPath;
        TRIVIUM_ASSIGN_OR_RETURN(piece.path, ReadPath());
        TRIVIUM_RETURN_IF_ERROR(Want("}"));
      }
      pieces.push_back(std::move(piece));
    }
    if (in_range) return Misread("{end} of a {range}");
    return pieces;
  }

 private:
  static constexpr int kMaxDepth = 16;

  absl::Status Misread(absl::string_view wanted) const {
    return absl::InvalidArgumentError(
        absl::StrCat("-o jsonpath: at character ", at_ + 1, " of '", text_, "': want ", wanted));
  }
  void Blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool Skip(absl::string_view token) {
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  bool Word(absl::string_view word) {
    const size_t after = at_ + word.size();
    if (after < text_.size() && absl::ascii_isalnum(text_[after])) return false;
    return Skip(word);
  }
  absl::Status Want(absl::string_view token) {
    Blanks();
    return Skip(token) ? absl::OkStatus() : Misread(token);
  }
  // Up to `end` or the end of the text.
  std::string Literal(char end) {
    std::string out;
    for (; at_ < text_.size() && text_[at_] != end; ++at_) {
      if (text_[at_] != '\\' || at_ + 1 == text_.size()) {
        out += text_[at_];
        continue;
      }
      const char next = text_[++at_];
      out += next == 'n' ? '\n' : next == 't' ? '\t' : next;
    }
    return out;
  }
  absl::StatusOr<std::string> Quoted() {
    const char quote = text_[at_++];
    std::string out = Literal(quote);
    if (at_ == text_.size()) return Misread("the quote's end");
    ++at_;
    return out;
  }
  std::string Name() {
    std::string name;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\\' && at_ + 1 < text_.size()) {
        name += text_[++at_];
      } else if (absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '/') {
        name += c;
      } else {
        break;
      }
    }
    return name;
  }
  absl::StatusOr<int64_t> Number() {
    size_t end = at_;
    if (end < text_.size() && text_[end] == '-') ++end;
    while (end < text_.size() && absl::ascii_isdigit(text_[end])) ++end;
    int64_t number = 0;
    if (!absl::SimpleAtoi(text_.substr(at_, end - at_), &number)) return Misread("a number");
    at_ = end;
    return number;
  }

  absl::StatusOr<Path> ReadPath() {
    Path path;
    Skip("$");
    Skip("@");
    while (at_ < text_.size()) {
      Step step;
      if (Skip("..")) {
        step.kind = Step::Kind::kDescend;
        step.field = Skip("*") ? "*" : Name();
        if (step.field.empty()) return Misread("a field's name or *");
      } else if (Skip(".")) {
        if (Skip("*")) {
          step.kind = Step::Kind::kAll;
        } else {
          step.kind = Step::Kind::kField;
          step.field = Name();
          if (step.field.empty()) {
            // "{.}" is the whole, ".[" the same as "[".
            if (at_ < text_.size() && (text_[at_] == '[' || text_[at_] == '}')) continue;
            return Misread("a field's name or *");
          }
        }
      } else if (Skip("[")) {
        TRIVIUM_ASSIGN_OR_RETURN(step, ReadBracket());
      } else {
        break;
      }
      path.push_back(std::move(step));
    }
    if (path.empty() && at_ > 0 && text_[at_ - 1] == '{') return Misread("a path like .metadata.name");
    return path;
  }

  absl::StatusOr<Step> ReadBracket() {
    Step step;
    if (Skip("*")) {
      step.kind = Step::Kind::kAll;
    } else if (Skip("?(")) {
      if (++depth_ > kMaxDepth) return Misread("fewer filters in one another");
      TRIVIUM_ASSIGN_OR_RETURN(step, ReadFilter());
      --depth_;
    } else if (at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"')) {
      step.kind = Step::Kind::kField;
      TRIVIUM_ASSIGN_OR_RETURN(step.field, Quoted());
    } else {
      step.kind = Step::Kind::kIndex;
      if (at_ < text_.size() && text_[at_] != ':') {
        TRIVIUM_ASSIGN_OR_RETURN(step.first, Number());
      }
      if (Skip(":")) {
        step.kind = Step::Kind::kSlice;
        if (at_ < text_.size() && text_[at_] != ']') {
          TRIVIUM_ASSIGN_OR_RETURN(step.last, Number());
        }
      }
    }
    TRIVIUM_RETURN_IF_ERROR(Want("]"));
    return step;
  }

  absl::StatusOr<Step> ReadFilter() {
    Step step;
    step.kind = Step::Kind::kFilter;
    Blanks();
    TRIVIUM_ASSIGN_OR_RETURN(step.path, ReadPath());
    Blanks();
    for (const char* op : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (!Skip(op)) continue;
      step.op = op;
      break;
    }
    if (!step.op.empty()) {
      Blanks();
      if (at_ < text_.size() && (text_[at_] == '\'' || text_[at_] == '"')) {
        TRIVIUM_ASSIGN_OR_RETURN(step.value, Quoted());
      } else if (Word("true")) {
        step.value = true;
      } else if (Word("false")) {
        step.value = false;
      } else {
        TRIVIUM_ASSIGN_OR_RETURN(step.value, Number());
      }
    }
    TRIVIUM_RETURN_IF_ERROR(Want(")"));
    return step;
  }

  const absl::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

struct JsonPath::Program {
  std::vector<Piece> pieces;
};

absl::StatusOr<JsonPath> JsonPath::Parse(absl::string_view text) {
  // A path alone may go without its braces, as in kubectl.
  const bool bare =
      text.find('{') == absl::string_view::npos && !text.empty() && (text[0] == '.' || text[0] == '[');
  const std::string whole = bare ? absl::StrCat("{", text, "}") : std::string(text);
  auto program = std::make_shared<Program>();
  TRIVIUM_ASSIGN_OR_RETURN(program->pieces, Parser(whole).Pieces(false));
  if (program->pieces.empty()) {
    return absl::InvalidArgumentError("-o jsonpath: is empty: write -o jsonpath='{.items[*].metadata.name}'");
  }
  JsonPath path;
  path.program_ = std::move(program);
  return path;
}

std::string JsonPath::Print(const Json& json) const {
  std::string out;
  PrintPieces(program_->pieces, json, &out);
  return out;
}

}  // namespace trivium::cli
