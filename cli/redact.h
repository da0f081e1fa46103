// What a sysdump may show: any text without secrets. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace trivium::cli {

// Without private keys (PEM blocks), passwords of URLs, and the values of whatever is called a password,
// passphrase, secret, token, credential, private key, API key or authorization ("password=x", "token: x",
// "\"secret\": \"x\""): each is replaced by what says that it stood there.
std::string Redacted(absl::string_view text);

}  // namespace trivium::cli
