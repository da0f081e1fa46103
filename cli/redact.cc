#include "cli/redact.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "cli/text.h"

namespace trivium::cli {
namespace {

constexpr char kGone[] = "REDACTED";

// A private key from its first line to its last; to the end of the text if that is missing. In JSON the lines
// end in
// "\n", written out: that changes nothing here.
std::string WithoutKeys(absl::string_view text) {
  constexpr absl::string_view kBegin = "-----BEGIN ";
  constexpr absl::string_view kKey = "PRIVATE KEY-----";
  std::string out;
  while (true) {
    const size_t begin = text.find(kBegin);
    if (begin == absl::string_view::npos) break;
    const size_t label = text.find(kKey, begin);
    const size_t dashes = text.find("-----", begin + kBegin.size());
    if (label == absl::string_view::npos || dashes == absl::string_view::npos || dashes < label) {
      absl::StrAppend(&out, text.substr(0, begin + kBegin.size()));  // a certificate, or the like
      text.remove_prefix(begin + kBegin.size());
      continue;
    }
    absl::StrAppend(&out, text.substr(0, begin), kGone, " PRIVATE KEY");
    const size_t end = text.find(kKey, label + kKey.size());
    if (end == absl::string_view::npos) return out;
    text.remove_prefix(end + kKey.size());
  }
  absl::StrAppend(&out, text);
  return out;
}

bool IsWord(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/'; }

// "db_password", "apiKey", "nats-token".
bool NamesSecret(absl::string_view word) {
  const std::string plain =
      absl::StrReplaceAll(absl::AsciiStrToLower(word), {{"_", ""}, {"-", ""}, {".", ""}});
  for (const char* secret : {"password", "passwd", "passphrase", "secret", "token", "credential",
                             "privatekey", "apikey", "authorization"}) {
    if (absl::StrContains(plain, secret)) return true;
  }
  return plain == "pass" || plain == "pwd";
}

// Where a value that begins at `at` ends: at its quote, or where words or lines do.
size_t ValueEnd(absl::string_view text, size_t at) {
  const bool escaped = absl::StartsWith(text.substr(at), "\\\"");
  if (escaped || text[at] == '"' || text[at] == '\'') {
    const size_t from = at + (escaped ? 2 : 1);
    const char quote = escaped ? '"' : text[at];
    for (size_t i = from; i < text.size() && text[i] != '\n'; ++i) {
      if (text[i] == quote && (escaped || text[i - 1] != '\\')) return i + 1;
    }
    return std::min(text.find('\n', from), text.size());
  }
  // Of a header or a YAML line all that follows; in a list of settings up to the next one.
  const size_t end = text.find_first_of("\n,;&})]", at);
  return std::min(end, text.size());
}

std::string WithoutValues(absl::string_view text) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    if (!IsWord(text[at])) {
      out += text[at++];
      continue;
    }
    size_t end = at;
    while (end < text.size() && IsWord(text[end])) ++end;
    const absl::string_view word = text.substr(at, end - at);
    absl::StrAppend(&out, word);
    at = end;
    if (!NamesSecret(word)) continue;
    // The key's own quote, then = or :, then blanks.
    size_t sign = at;
    while (sign < text.size() &&
           (text[sign] == '"' || text[sign] == '\'' || text[sign] == '\\' || text[sign] == ' '))
      ++sign;
    if (sign == text.size() || (text[sign] != '=' && text[sign] != ':')) continue;
    const bool setting = text[sign] == '=';
    size_t value = sign + 1;
    while (value < text.size() && text[value] == ' ') ++value;
    if (value == text.size() || text[value] == '\n' || absl::StartsWith(text.substr(value), "//")) continue;
    size_t stop = ValueEnd(text, value);
    if (setting) stop = std::min(stop, std::max(value + 1, text.find(' ', value)));  // "password=x host=y"
    if (text[value] == '"' || text[value] == '\'') stop = ValueEnd(text, value);
    const absl::string_view quote = absl::StartsWith(text.substr(value), "\\\"") ? "\\\""
                                    : text[value] == '"' || text[value] == '\''  ? text.substr(value, 1)
                                                                                 : "";
    absl::StrAppend(&out, text.substr(at, value - at), quote, kGone, quote);
    at = stop;
  }
  return out;
}

}  // namespace

std::string Redacted(absl::string_view text) { return WithoutValues(WithoutPassword(WithoutKeys(text))); }

}  // namespace trivium::cli
