#include "cli/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trivium::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RedactTest, NoSecretIsLeftInWhateverForm) {
  for (const char* text : {
           "tls://user:S3CRET@10.0.0.1:4222",
           "nats://S3CRET@10.0.0.1",
           "a postgresql://u:S3CRET@h/db and https://x:S3CRET@y",
           "password=S3CRET host=db",
           "PGPASSWORD='S3CRET and more' psql",
           "password: S3CRET with blanks",
           "{\"token\": \"S3CRET\", \"a\": 1}",
           "{\"a\": \"{\\\"secret\\\": \\\"S3CRET\\\"}\"}",
           "db_password = \"S3CRET\"",
           "apiKey: S3CRET",
           "Authorization: Bearer S3CRET",
           "client-secret=S3CRET&x=1",
           "-----BEGIN PRIVATE KEY-----\nS3CRET\nS3CRET\n-----END PRIVATE KEY-----\n",
           "key: |\n  -----BEGIN EC PRIVATE KEY-----\n  S3CRET\n  -----END EC PRIVATE KEY-----\n",
           "\"-----BEGIN RSA PRIVATE KEY-----\\nS3CRET\\n-----END RSA PRIVATE KEY-----\\n\"",
           "-----BEGIN PRIVATE KEY-----\nS3CRET, cut off",
       }) {
    EXPECT_THAT(Redacted(text), Not(HasSubstr("S3CRET"))) << text;
  }
}

TEST(RedactTest, WhatIsNoSecretStays) {
  for (const char* text : {
           "tls://10.0.0.1:4222",
           "key: /etc/trivium/admin.key",
           "cert: admin.crt\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
           "{\"name\": \"web\", \"labels\": {\"app\": \"web\"}}",
           "the password is wrong",
           "https://docs.example.org/a@b",
           "trivium_agent_maps_entries{map=\"ipcache\"} 12",
       }) {
    EXPECT_EQ(Redacted(text), text);
  }
  EXPECT_EQ(Redacted("a: 1\npassword: x\nb: 2\n"), "a: 1\npassword: REDACTED\nb: 2\n");
  EXPECT_EQ(Redacted("password=x host=db"), "password=REDACTED host=db");
  EXPECT_EQ(Redacted("{\"token\": \"x\", \"a\": 1}"), "{\"token\": \"REDACTED\", \"a\": 1}");
  EXPECT_EQ(Redacted("tls://u:x@h:1/y"), "tls://u:xxxxx@h:1/y");
  EXPECT_EQ(Redacted("before\n-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\nafter"),
            "before\nREDACTED PRIVATE KEY\nafter");
}

}  // namespace
}  // namespace trivium::cli
