#include "policy/yaml_tree.h"

#include <algorithm>
#include <cstdint>
#include <istream>
#include <sstream>
#include <streambuf>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "policy/parse.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/exceptions.h"
#include "yaml-cpp/parser.h"

namespace trivium::policy {
namespace {

// A label's key is shorter; and the JSON that a List's item is kept as could not be read with a key of 1,024,
// in which a quote or a backslash is two bytes and a control character six.
constexpr size_t kMaxKeyBytes = 500;

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

absl::Status Refuse(absl::string_view file, int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ":", line, ": ", what));
}

// The length of the UTF-8 character at the head of `text`, 0 if there is none. Surrogates and overlong forms
// are none.
size_t Utf8Length(absl::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto tail = [&](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
      if ((byte(i) & 0xc0) != 0x80) return false;
    }
    return true;
  };
  const unsigned b0 = byte(0);
  const unsigned b1 = byte(1);
  if (b0 < 0x80) return 1;
  if (b0 >= 0xc2 && b0 <= 0xdf) return tail(1, 2) ? 2 : 0;
  if (b0 >= 0xe0 && b0 <= 0xef) {
    if ((b0 == 0xe0 && b1 < 0xa0) || (b0 == 0xed && b1 > 0x9f)) return 0;
    return tail(1, 3) ? 3 : 0;
  }
  if (b0 >= 0xf0 && b0 <= 0xf4) {
    if ((b0 == 0xf0 && b1 < 0x90) || (b0 == 0xf4 && b1 > 0x8f)) return 0;
    return tail(1, 4) ? 4 : 0;
  }
  return 0;
}

absl::Status CheckText(absl::string_view text, absl::string_view file) {
  int line = 1;
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) return Refuse(file, line, "these bytes are not UTF-8; manifests are UTF-8 text");
    const unsigned char c = static_cast<unsigned char>(text.front());
    const bool line_end = c == '\n' || (c == '\r' && text.size() > 1 && text[1] == '\n');
    if ((c < 0x20 && !line_end && c != '\t') || c == 0x7f) {
      return Refuse(
          file, line,
          absl::StrCat("a control character (0x", absl::Hex(c, absl::kZeroPad2), ") stands here; remove it"));
    }
    if (c == '\n') ++line;
    text.remove_prefix(length);
  }
  return absl::OkStatus();
}

// "---" alone or followed by white space: where a document begins, in whatever it stands.
bool IsSeparator(absl::string_view line) {
  return absl::ConsumePrefix(&line, "---") && (line.empty() || absl::ascii_isspace(line.front()));
}

bool IsBlank(absl::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const absl::string_view line = absl::StripLeadingAsciiWhitespace(text.substr(0, end));
    if (!line.empty() && line.front() != '#') return false;
    text.remove_prefix(end == absl::string_view::npos ? text.size() : end + 1);
  }
  return true;
}

// The four hex digits of a "\uXXXX" at the head of `text`; 0 if there is none.
uint32_t Utf16Unit(absl::string_view text) {
  uint32_t unit = 0;
  if (text.size() < 6 || !absl::StartsWith(text, "\\u") || !absl::SimpleHexAtoi(text.substr(2, 4), &unit))
    return 0;
  return unit;
}

// JSON writes what lies beyond 16 bits as two escapes, which YAML refuses: they become one "\UXXXXXXXX". Only
// in what may be JSON, where quotes show what is a string; in anything else the same characters may stand for
// themselves.
std::string JoinSurrogates(absl::string_view text) {
  const absl::string_view start = absl::StripLeadingAsciiWhitespace(text);
  if (start.empty() || (start.front() != '{' && start.front() != '[')) return std::string(text);
  std::string joined;
  bool in_string = false;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (!in_string && (c == '\'' || c == '#')) return std::string(text);
    if (c == '"') in_string = !in_string;
    if (c != '\\' || !in_string) {
      joined += c;
      ++at;
      continue;
    }
    const uint32_t high = Utf16Unit(text.substr(at));
    const uint32_t low = high == 0 ? 0 : Utf16Unit(text.substr(std::min(at + 6, text.size())));
    if (high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
      const uint32_t code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
      absl::StrAppend(&joined, "\\U", absl::Hex(code, absl::kZeroPad8));
      at += 12;
    } else {
      absl::StrAppend(&joined, text.substr(at, 2));
      at += 2;
    }
  }
  return joined;
}

// Thrown through yaml-cpp, caught in ParseYaml.
struct Refused {
  int line;  // from 0, in the document
  std::string what;
};

class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(int first_line) : first_line_(first_line) {}

  YamlNode Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Check(mark, anchor, "");
    if (ExpectsKey()) throw Refused{mark.line, "a key is missing before this ':'"};
    Add(Make(YamlNode::Kind::kNull, mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{mark.line, "aliases are not supported; write the value out"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Check(mark, anchor, tag == "tag:yaml.org,2002:str" ? "" : tag);
    if (ExpectsKey()) {
      if (value.size() > kMaxKeyBytes) {
        throw Refused{mark.line, absl::StrCat("a key of ", value.size(), " bytes; at most ", kMaxKeyBytes,
                                              " are taken")};
      }
      if (std::any_of(value.begin(), value.end(), IsControl)) {
        throw Refused{mark.line,
                      "a key with a control character in it, a tab or the like; keys are plain text"};
      }
      stack_.back().keys.push_back(YamlNode::Key{value, Line(mark)});
      return;
    }
    YamlNode node = Make(YamlNode::Kind::kScalar, mark);
    node.text = value;
    node.quoted = tag != "?";
    Add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kSequence, mark, anchor, tag);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kMap, mark, anchor, tag);
  }
  void OnMapEnd() override { Close(); }

 private:
  int Line(const YAML::Mark& mark) const { return first_line_ + mark.line; }

  YamlNode Make(YamlNode::Kind kind, const YAML::Mark& mark) const {
    YamlNode node;
    node.kind = kind;
    node.line = Line(mark);
    return node;
  }

  // Between a map's pairs the next node is a key.
  bool ExpectsKey() const {
    return !stack_.empty() && stack_.back().kind == YamlNode::Kind::kMap &&
           stack_.back().keys.size() == stack_.back().children.size();
  }

  void Check(const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& tag) {
    if (anchor != 0) throw Refused{mark.line, "anchors are not supported; write each value out"};
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw Refused{mark.line, absl::StrCat("the tag ", tag, " is not supported; leave it out")};
    }
    if (++nodes_ > kMaxManifestNodes) {
      throw Refused{mark.line,
                    absl::StrCat("more than ", kMaxManifestNodes, " values in one document; split it")};
    }
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& tag) {
    Check(mark, anchor, tag);
    if (ExpectsKey()) throw Refused{mark.line, "a key must be plain text, not a list or a map"};
    if (stack_.size() >= kMaxManifestDepth) {
      throw Refused{mark.line, absl::StrCat("nested deeper than ", kMaxManifestDepth, " levels")};
    }
    stack_.push_back(Make(kind, mark));
  }

  void Close() {
    YamlNode node = std::move(stack_.back());
    stack_.pop_back();
    Add(std::move(node));
  }

  void Add(YamlNode node) {
    if (stack_.empty()) {
      root_ = std::move(node);
    } else {
      stack_.back().children.push_back(std::move(node));
    }
  }

  const int first_line_;
  size_t nodes_ = 0;
  std::vector<YamlNode> stack_;  // open maps and sequences
  YamlNode root_;
};

bool AllDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

bool IsInteger(absl::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  const auto all = [&](absl::string_view digits) {
    return !digits.empty() && absl::ascii_isxdigit(digits.front()) &&
           digits.find_first_not_of("0123456789abcdefABCDEF_") == absl::string_view::npos;
  };
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "0x")) return all(rest);
  if (absl::ConsumePrefix(&rest, "0o")) return all(rest) && rest.find_first_not_of("01234567_") == rest.npos;
  if (absl::ConsumePrefix(&rest, "0b")) return all(rest) && rest.find_first_not_of("01_") == rest.npos;
  return !text.empty() && absl::ascii_isdigit(text.front()) &&
         text.find_first_not_of("0123456789_") == absl::string_view::npos;
}

bool IsFloat(absl::string_view text) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  if (text == ".inf" || text == ".Inf" || text == ".INF") return true;
  const size_t e = text.find_first_of("eE");
  if (e != absl::string_view::npos) {
    absl::string_view exponent = text.substr(e + 1);
    if (!exponent.empty() && (exponent.front() == '-' || exponent.front() == '+')) exponent.remove_prefix(1);
    if (!AllDigits(exponent)) return false;
    text = text.substr(0, e);
  }
  const size_t dot = text.find('.');
  const absl::string_view whole = text.substr(0, dot);
  const absl::string_view part = dot == absl::string_view::npos ? "" : text.substr(dot + 1);
  if (whole.empty()) return AllDigits(part);
  return AllDigits(whole) && (part.empty() || AllDigits(part));
}

void AppendJsonString(absl::string_view text, std::string* out) {
  *out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      absl::StrAppend(out, "\\", absl::string_view(&c, 1));
    } else if (IsControl(c)) {
      absl::StrAppend(out, "\\u", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad4));
    } else {
      *out += c;
    }
  }
  *out += '"';
}

void AppendJson(const YamlNode& node, std::string* out) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      *out += "null";
      return;
    case YamlNode::Kind::kScalar: {
      // A number in a form that JSON lacks (hexadecimal, .inf) keeps its YAML form: the text is YAML all the
      // same.
      if (TypeOf(node) == ScalarType::kString) {
        AppendJsonString(node.text, out);
      } else {
        *out += node.text;
      }
      return;
    }
    case YamlNode::Kind::kSequence:
    case YamlNode::Kind::kMap: {
      const bool map = node.kind == YamlNode::Kind::kMap;
      *out += map ? '{' : '[';
      for (size_t i = 0; i < node.children.size(); ++i) {
        if (i > 0) *out += ',';
        if (map) {
          AppendJsonString(node.keys[i].text, out);
          *out += ':';
        }
        AppendJson(node.children[i], out);
      }
      *out += map ? '}' : ']';
      return;
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<YamlDocument>> SplitYaml(absl::string_view text, absl::string_view file) {
  if (text.size() > kMaxManifestBytes) {
    return Refuse(file, 1,
                  absl::StrCat("the text has ", text.size(), " bytes; at most ", kMaxManifestBytes,
                               " are taken at once, split it"));
  }
  absl::ConsumePrefix(&text, "\xef\xbb\xbf");  // byte order mark
  const absl::Status checked = CheckText(text, file);
  if (!checked.ok()) return checked;

  std::vector<YamlDocument> documents;
  size_t start = 0;  // of the document
  int start_line = 1;
  int line = 1;
  const auto finish = [&](size_t end) {
    const absl::string_view document = text.substr(start, end - start);
    if (!IsBlank(document)) documents.push_back(YamlDocument{document, start_line});
  };
  for (size_t at = 0; at < text.size(); ++line) {
    const size_t newline = text.find('\n', at);
    const size_t next = newline == absl::string_view::npos ? text.size() : newline + 1;
    const absl::string_view whole = text.substr(at, next - at);
    if (IsSeparator(whole)) {
      finish(at);
      // What stands behind the dashes belongs to the document, which then begins with this line.
      const bool bare = IsBlank(whole.substr(3));
      start = bare ? next : at;
      start_line = bare ? line + 1 : line;
    }
    at = next;
  }
  finish(text.size());
  return documents;
}

absl::StatusOr<YamlNode> ParseYaml(const YamlDocument& document, absl::string_view file) {
  const auto refuse = [&](int line, absl::string_view what) {
    return Refuse(file, document.line + line, what);
  };
  std::istringstream in{JoinSurrogates(document.text)};
  TreeBuilder builder(document.line);
  try {
    YAML::Parser parser(in);
    if (!parser.HandleNextDocument(builder))
      return refuse(0, "no YAML document here; directives (%) are not supported");
    YamlNode root = builder.Take();
    TreeBuilder rest(document.line);
    if (parser.HandleNextDocument(rest)) {
      return refuse(0, "something follows the end of this document; begin the next one with a line \"---\"");
    }
    return root;
  } catch (const Refused& refused) {
    return refuse(refused.line, refused.what);
  } catch (const YAML::Exception& error) {
    return refuse(std::max(error.mark.line, 0), absl::StrCat("not YAML: ", error.msg));
  }
}

std::string ToJson(const YamlNode& node) {
  std::string out;
  AppendJson(node, &out);
  return out;
}

ScalarType TypeOf(const YamlNode& scalar) {
  if (scalar.quoted) return ScalarType::kString;
  const absl::string_view text = scalar.text;
  for (const char* word : {"true", "false", "yes", "no", "on", "off"}) {
    // Lower case, capitalised or upper case, but not mixed.
    std::string capital(word);
    capital.front() = absl::ascii_toupper(capital.front());
    if (text == word || text == capital || text == absl::AsciiStrToUpper(word)) return ScalarType::kBool;
  }
  if (IsInteger(text)) return ScalarType::kInteger;
  return IsFloat(text) ? ScalarType::kFloat : ScalarType::kString;
}

}  // namespace trivium::policy
