#include "replica/mirror.h"

#include <gtest/gtest.h>

namespace trivium {
namespace {

Mirror::ObjectPtr Node(const std::string& name, uint32_t number = 1) {
  auto object = std::make_shared<v1::Object>();
  object->mutable_node()->set_name(name);
  object->mutable_node()->set_number(number);
  return object;
}

Mirror::ObjectPtr Policy(const std::string& name) {
  auto object = std::make_shared<v1::Object>();
  object->mutable_policy()->set_kind("NetworkPolicy");
  object->mutable_policy()->set_namespace_("shop");
  object->mutable_policy()->set_name(name);
  return object;
}

TEST(Mirror, HoldsTheLastOfEachKey) {
  Mirror mirror;
  mirror.Upsert(Node("n1", 1), 1);
  mirror.Upsert(Node("n2", 2), 1);
  mirror.Upsert(Node("n1", 7), 2);
  EXPECT_EQ(mirror.size(), 2u);
  EXPECT_EQ(mirror.All(v1::KIND_NODE).size(), 2u);
  EXPECT_TRUE(mirror.All(v1::KIND_POLICY).empty());
  ASSERT_NE(mirror.Find(v1::KIND_NODE, "n1"), nullptr);
  EXPECT_EQ(mirror.Find(v1::KIND_NODE, "n1")->node().number(), 7u);
  EXPECT_EQ(mirror.FindStored(v1::KIND_NODE, "n1")->revision, 2u);
  EXPECT_EQ(mirror.Find(v1::KIND_NODE, "n3"), nullptr);
  EXPECT_EQ(mirror.Find(v1::KIND_NAMESPACE, "n1"), nullptr);
}

TEST(Mirror, DigestIsThatOfTheState) {
  Mirror mirror;
  mirror.Upsert(Node("n1"), 1);
  mirror.Upsert(Node("n2"), 1);
  mirror.Upsert(Node("n1"), 3);
  Digest want;
  want.Add(KeyHash(v1::KIND_NODE, "n1"), 3);
  want.Add(KeyHash(v1::KIND_NODE, "n2"), 1);
  EXPECT_EQ(mirror.digest(), want.value());

  EXPECT_TRUE(mirror.Delete({v1::KIND_NODE, "n1"}));
  EXPECT_FALSE(mirror.Delete({v1::KIND_NODE, "n1"}));
  EXPECT_FALSE(mirror.Delete({v1::KIND_NAMESPACE, "n2"}));
  want.Remove(KeyHash(v1::KIND_NODE, "n1"), 3);
  EXPECT_EQ(mirror.digest(), want.value());
}

TEST(Mirror, RestorePutsBackObjectAndDigest) {
  Mirror mirror;
  mirror.Upsert(Node("n1", 1), 1);
  const Id128 before = mirror.digest();
  const Mirror::Stored old = *mirror.FindStored(v1::KIND_NODE, "n1");
  mirror.Upsert(Node("n1", 2), 2);
  EXPECT_NE(mirror.digest(), before);
  mirror.Restore({v1::KIND_NODE, "n1"}, old);
  EXPECT_EQ(mirror.digest(), before);
  EXPECT_EQ(mirror.Find(v1::KIND_NODE, "n1")->node().number(), 1u);
}

TEST(Mirror, WhatIsNotUsedIsHeldAsKeyAndRevision) {
  Mirror whole;
  Mirror sparse([](v1::Kind kind) { return kind != v1::KIND_POLICY; });
  for (Mirror* mirror : {&whole, &sparse}) {
    mirror->Upsert(Node("n1"), 1);
    mirror->Upsert(Policy("db"), 2);
  }
  EXPECT_EQ(sparse.digest(), whole.digest());
  EXPECT_NE(sparse.Find(v1::KIND_NODE, "n1"), nullptr);
  EXPECT_EQ(sparse.Find(v1::KIND_POLICY, "NetworkPolicy/shop/db"), nullptr);
  ASSERT_NE(sparse.FindStored(v1::KIND_POLICY, "NetworkPolicy/shop/db"), nullptr);
  EXPECT_EQ(sparse.FindStored(v1::KIND_POLICY, "NetworkPolicy/shop/db")->revision, 2u);
  EXPECT_EQ(sparse.size(), 2u);

  Mirror empty = sparse.Empty();
  EXPECT_EQ(empty.size(), 0u);
  EXPECT_TRUE(empty.digest().IsZero());
  empty.Upsert(Policy("db"), 2);
  EXPECT_EQ(empty.Find(v1::KIND_POLICY, "NetworkPolicy/shop/db"), nullptr);
}

}  // namespace
}  // namespace trivium
