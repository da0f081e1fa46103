#include "controlplane/writer/addresses.h"

#include <gtest/gtest.h>

#include "controlplane/writer/kinds.h"

namespace trivium {
namespace {

v1::Cidr C(absl::string_view text) { return ParseCidr(text).value(); }
std::string A(absl::string_view text) { return ParseAddress(text).value(); }

TEST(AddressesTest, TextAndBack) {
  for (const char* text : {"10.1.0.7", "fd00:1::7"}) EXPECT_EQ(AddressText(A(text)), text);
  for (const char* text : {"10.1.0.0/16", "fd00:1::/48", "0.0.0.0/0", "10.0.0.1/32"}) {
    EXPECT_EQ(CidrText(C(text)), text);
  }
  for (const char* text :
       {"", "10.1.0.0", "10.1.0.0/33", "10.1.0.1/16", "fd00::1/64", "x/8", "10.0.0.0/-1", "10.0.0.0/"}) {
    EXPECT_FALSE(ParseCidr(text).ok()) << text;
  }
  EXPECT_EQ(AddressText("abc"), "0x616263");
}

TEST(AddressesTest, ContainsAndOverlaps) {
  EXPECT_TRUE(Contains(C("10.1.0.0/16"), A("10.1.255.1")));
  EXPECT_FALSE(Contains(C("10.1.0.0/16"), A("10.2.0.1")));
  EXPECT_FALSE(Contains(C("10.1.0.0/16"), A("fd00::1")));
  EXPECT_TRUE(Contains(C("10.1.0.128/25"), A("10.1.0.129")));
  EXPECT_FALSE(Contains(C("10.1.0.128/25"), A("10.1.0.127")));
  EXPECT_TRUE(Overlap(C("10.0.0.0/8"), C("10.1.0.0/16")));
  EXPECT_TRUE(Overlap(C("10.1.0.0/16"), C("10.0.0.0/8")));
  EXPECT_FALSE(Overlap(C("10.1.0.0/16"), C("10.2.0.0/16")));
  EXPECT_FALSE(Overlap(C("0.0.0.0/0"), C("::/0")));
}

TEST(AddressesTest, WhatAHostMayHave) {
  for (const char* text : {"10.1.0.7", "192.0.2.1", "fd00::1", "2001:db8::1"}) {
    EXPECT_TRUE(CheckHostAddress(A(text)).ok()) << text;
  }
  for (const char* text : {"0.0.0.0", "0.1.2.3", "127.1.2.3", "224.0.0.1", "255.255.255.255", "169.254.1.1",
                           "::", "::1", "ff02::1", "fe80::1", "::ffff:10.0.0.1"}) {
    EXPECT_FALSE(CheckHostAddress(A(text)).ok()) << text;
  }
}

TEST(KindsTest, AsPeopleWriteThem) {
  for (const char* text : {"NetworkPolicy", "networkpolicies", "netpol", "NETPOL"}) {
    EXPECT_EQ(ParseKind(text)->kind, v1::KIND_POLICY) << text;
  }
  EXPECT_EQ(ParseKind("no")->kind, v1::KIND_NODE);
  EXPECT_EQ(ParseKind("Regions")->kind, v1::KIND_REGION);
  EXPECT_FALSE(ParseKind("pod").ok());
  EXPECT_FALSE(ParseKind("").ok());
}

}  // namespace
}  // namespace trivium
