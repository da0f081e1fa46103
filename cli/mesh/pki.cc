#include "cli/mesh/pki.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace trivium::cli {
namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using BigNumber = std::unique_ptr<BIGNUM, Deleter<BN_free>>;

constexpr size_t kMaxCommonName = 64;

absl::Status Failed(absl::string_view what) {
  char text[256] = "no reason given";
  if (const unsigned long error = ERR_get_error(); error != 0) ERR_error_string_n(error, text, sizeof text);
  ERR_clear_error();
  return absl::InternalError(absl::StrCat(what, ": ", text));
}

std::string Text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::StatusOr<KeyPair> ToPem(X509* certificate, EVP_PKEY* key) {
  const Bio cert_bio(BIO_new(BIO_s_mem())), key_bio(BIO_new(BIO_s_mem()));
  if (!cert_bio || !key_bio || PEM_write_bio_X509(cert_bio.get(), certificate) != 1 ||
      PEM_write_bio_PrivateKey(key_bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return Failed("write certificate");
  }
  return KeyPair{Text(cert_bio.get()), Text(key_bio.get())};
}

absl::Status AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1) {
    return Failed(absl::StrCat("certificate extension ", OBJ_nid2sn(nid), "=", value));
  }
  return absl::OkStatus();
}

absl::StatusOr<Certificate> NewCertificate(const std::string& common_name, EVP_PKEY* key,
                                           absl::Time not_before, absl::Duration lifetime) {
  Certificate certificate(X509_new());
  const BigNumber serial(BN_new());
  if (!certificate || !serial || BN_rand(serial.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1 ||
      BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get())) == nullptr ||
      X509_set_version(certificate.get(), 2) != 1 || X509_set_pubkey(certificate.get(), key) != 1 ||
      ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(not_before)) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(not_before + lifetime)) == nullptr ||
      X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name.c_str()),
                                 static_cast<int>(std::min(common_name.size(), kMaxCommonName)), -1,
                                 0) != 1) {
    return Failed(absl::StrCat("certificate of ", common_name));
  }
  return certificate;
}

std::string AlternativeNames(const LeafRequest& request) {
  std::vector<std::string> names;
  if (!request.uri.empty()) names.push_back(absl::StrCat("URI:", request.uri));
  for (const std::string& host : request.hosts) {
    unsigned char address[16];
    const bool ip =
        inet_pton(AF_INET, host.c_str(), address) == 1 || inet_pton(AF_INET6, host.c_str(), address) == 1;
    names.push_back(absl::StrCat(ip ? "IP:" : "DNS:", host));
  }
  return absl::StrJoin(names, ",");
}

Certificate ReadCertificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

Key ReadKey(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

// The value of an extension; null if there is none.
const ASN1_OCTET_STRING* ExtensionOf(const X509* certificate, int nid) {
  const int at = X509_get_ext_by_NID(certificate, nid, -1);
  return at < 0 ? nullptr : X509_EXTENSION_get_data(X509_get_ext(certificate, at));
}

}  // namespace

struct CertificateAuthority::Impl {
  Certificate certificate;
  Key key;
  KeyPair pem;
};

CertificateAuthority::CertificateAuthority(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CertificateAuthority::CertificateAuthority(CertificateAuthority&&) noexcept = default;
CertificateAuthority& CertificateAuthority::operator=(CertificateAuthority&&) noexcept = default;
CertificateAuthority::~CertificateAuthority() = default;

const KeyPair& CertificateAuthority::pem() const { return impl_->pem; }

absl::StatusOr<CertificateAuthority> CertificateAuthority::Create(const std::string& name, absl::Time now,
                                                                  absl::Duration lifetime) {
  auto impl = std::make_unique<Impl>();
  impl->key.reset(EVP_EC_gen("P-256"));
  if (!impl->key) return Failed("make key");
  TRIVIUM_ASSIGN_OR_RETURN(impl->certificate, NewCertificate(name, impl->key.get(), now, lifetime));
  X509* cert = impl->certificate.get();
  if (X509_set_issuer_name(cert, X509_get_subject_name(cert)) != 1) return Failed("issuer");
  TRIVIUM_RETURN_IF_ERROR(AddExtension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
  TRIVIUM_RETURN_IF_ERROR(AddExtension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign"));
  TRIVIUM_RETURN_IF_ERROR(AddExtension(cert, cert, NID_subject_key_identifier, "hash"));
  if (X509_sign(cert, impl->key.get(), EVP_sha256()) == 0) return Failed("sign");
  TRIVIUM_ASSIGN_OR_RETURN(impl->pem, ToPem(cert, impl->key.get()));
  return CertificateAuthority(std::move(impl));
}

absl::StatusOr<CertificateAuthority> CertificateAuthority::Load(const KeyPair& pem) {
  auto impl = std::make_unique<Impl>();
  impl->certificate = ReadCertificate(pem.certificate);
  impl->key = ReadKey(pem.key);
  if (!impl->certificate || !impl->key ||
      X509_check_private_key(impl->certificate.get(), impl->key.get()) != 1) {
    return Failed("the authority's certificate and key do not load or do not belong together");
  }
  impl->pem = pem;
  return CertificateAuthority(std::move(impl));
}

absl::StatusOr<KeyPair> CertificateAuthority::Issue(const LeafRequest& request) const {
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return Failed("make key");
  TRIVIUM_ASSIGN_OR_RETURN(
      const Certificate certificate,
      NewCertificate(request.common_name, key.get(), request.not_before, request.lifetime));
  X509* cert = certificate.get();
  X509* issuer = impl_->certificate.get();
  if (X509_set_issuer_name(cert, X509_get_subject_name(issuer)) != 1) return Failed("issuer");
  TRIVIUM_RETURN_IF_ERROR(AddExtension(cert, issuer, NID_basic_constraints, "critical,CA:FALSE"));
  TRIVIUM_RETURN_IF_ERROR(AddExtension(cert, issuer, NID_key_usage, "critical,digitalSignature"));
  // NATS servers are clients of each other on routes and gateways.
  TRIVIUM_RETURN_IF_ERROR(AddExtension(cert, issuer, NID_ext_key_usage,
                                       request.hosts.empty() ? "clientAuth" : "serverAuth,clientAuth"));
  TRIVIUM_RETURN_IF_ERROR(AddExtension(cert, issuer, NID_authority_key_identifier, "keyid"));
  if (const std::string names = AlternativeNames(request); !names.empty()) {
    TRIVIUM_RETURN_IF_ERROR(AddExtension(cert, issuer, NID_subject_alt_name, names));
  }
  if (X509_sign(cert, impl_->key.get(), EVP_sha256()) == 0) return Failed("sign");
  return ToPem(cert, key.get());
}

bool CertificateAuthority::StillServes(const KeyPair& leaf, const LeafRequest& request, absl::Time now,
                                       absl::Time until) const {
  const Certificate have = ReadCertificate(leaf.certificate);
  const Key key = ReadKey(leaf.key);
  bool serves = have && key && X509_check_private_key(have.get(), key.get()) == 1 &&
                X509_verify(have.get(), impl_->key.get()) == 1 &&
                ASN1_TIME_cmp_time_t(X509_get0_notBefore(have.get()), absl::ToTimeT(now)) <= 0 &&
                ASN1_TIME_cmp_time_t(X509_get0_notAfter(have.get()), absl::ToTimeT(until)) >= 0;
  // One made for comparison says how names and purposes are written.
  const absl::StatusOr<KeyPair> made =
      serves ? Issue(request) : absl::StatusOr<KeyPair>(absl::CancelledError());
  const Certificate want = made.ok() ? ReadCertificate(made->certificate) : nullptr;
  serves = serves && want &&
           X509_NAME_cmp(X509_get_subject_name(have.get()), X509_get_subject_name(want.get())) == 0;
  for (const int nid : {NID_subject_alt_name, NID_ext_key_usage}) {
    if (!serves) break;
    const ASN1_OCTET_STRING* const a = ExtensionOf(have.get(), nid);
    const ASN1_OCTET_STRING* const b = ExtensionOf(want.get(), nid);
    serves = (a == nullptr) == (b == nullptr) && (a == nullptr || ASN1_OCTET_STRING_cmp(a, b) == 0);
  }
  ERR_clear_error();
  return serves;
}

}  // namespace trivium::cli
