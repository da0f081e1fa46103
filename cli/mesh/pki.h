// Certificates: one authority for the mesh and a leaf for each principal, server and SQL role. Elliptic-curve
// keys (P-256), which handshake an order of magnitude cheaper than RSA. The only user of OpenSSL.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace trivium::cli {

struct KeyPair {
  std::string certificate;  // PEM
  std::string key;          // PEM, PKCS #8
};

struct LeafRequest {
  std::string common_name;         // for people, and for PostgreSQL; cut at 64 bytes, as X.509 has it
  std::string uri;                 // a principal's name for NATS; may be empty
  std::vector<std::string> hosts;  // addresses or DNS names: a server's. Empty: a client's certificate.
  absl::Time not_before;
  absl::Duration lifetime;
};

class CertificateAuthority {
 public:
  static absl::StatusOr<CertificateAuthority> Create(const std::string& name, absl::Time now,
                                                     absl::Duration lifetime);
  static absl::StatusOr<CertificateAuthority> Load(const KeyPair& pem);
  CertificateAuthority(CertificateAuthority&&) noexcept;
  CertificateAuthority& operator=(CertificateAuthority&&) noexcept;
  ~CertificateAuthority();

  const KeyPair& pem() const;
  // A new key and its certificate. A server's may also be a client (routes and gateways are both).
  absl::StatusOr<KeyPair> Issue(const LeafRequest& request) const;
  // True if `leaf` is what Issue would make, but for its dates, and is valid from `now` until `until`.
  bool StillServes(const KeyPair& leaf, const LeafRequest& request, absl::Time now, absl::Time until) const;

 private:
  struct Impl;
  explicit CertificateAuthority(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace trivium::cli
