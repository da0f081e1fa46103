#include "nodeagent/desired/address_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "nodeagent/compile/keys.h"

namespace trivium {
namespace {

const ipcache_key kAddress = IpcacheKey(0, std::string("\x0a\0\0\x01", 4));

AddressClaim Claim(uint64_t owner, uint64_t revision, uint32_t cluster, uint32_t identity,
                   uint32_t flags = 0) {
  AddressClaim claim{owner, revision, {}};
  claim.value.cluster = cluster;
  claim.value.identity = identity;
  claim.value.flags = flags;
  return claim;
}

class AddressTableTest : public testing::Test {
 protected:
  uint32_t Identity() {
    const ipcache_value* value = map_.Desired(kAddress);
    return value == nullptr ? 0 : value->identity;
  }
  IpcacheMap map_;
  AddressTable table_{&map_};
};

TEST_F(AddressTableTest, ALateDeleteDoesNotTakeTheNewOwnersEntry) {
  table_.Claim(kAddress, Claim(1, 5, 1, 100));
  table_.Claim(kAddress, Claim(2, 6, 1, 200));
  EXPECT_EQ(Identity(), 200u);
  EXPECT_EQ(table_.contested(), 1u);
  table_.Withdraw(kAddress, 1);
  EXPECT_EQ(Identity(), 200u);
  EXPECT_EQ(table_.contested(), 0u);
  table_.Withdraw(kAddress, 1);
  EXPECT_EQ(Identity(), 200u);
  table_.Withdraw(kAddress, 2);
  EXPECT_EQ(Identity(), 0u);
}

TEST_F(AddressTableTest, AnOlderClaimNeverWinsAndComesBackWhenAlone) {
  table_.Claim(kAddress, Claim(2, 6, 1, 200));
  table_.Claim(kAddress, Claim(1, 5, 1, 100));
  EXPECT_EQ(Identity(), 200u);
  table_.Withdraw(kAddress, 2);
  EXPECT_EQ(Identity(), 100u);
}

TEST_F(AddressTableTest, AnOwnerMayChangeItsClaim) {
  table_.Claim(kAddress, Claim(1, 5, 1, 100));
  table_.Claim(kAddress, Claim(1, 7, 1, 101));
  EXPECT_EQ(Identity(), 101u);
  table_.Claim(kAddress, Claim(2, 6, 1, 200));
  EXPECT_EQ(Identity(), 101u);
  table_.Claim(kAddress, Claim(2, 8, 1, 201));
  EXPECT_EQ(Identity(), 201u);
  table_.Claim(kAddress, Claim(2, 9, 1, 202));
  EXPECT_EQ(Identity(), 202u);
  table_.Withdraw(kAddress, 2);
  EXPECT_EQ(Identity(), 101u);
}

TEST_F(AddressTableTest, NoPodTakesANodesAddress) {
  table_.Claim(kAddress, Claim(1, 1, 2, IDENTITY_REMOTE_NODE, IPCACHE_NODE));
  table_.Claim(kAddress, Claim(2, 9, 1, 200));
  EXPECT_EQ(Identity(), static_cast<uint32_t>(IDENTITY_REMOTE_NODE));
}

// Whatever order claims and withdrawals come in, the same claims left give the same winner.
TEST_F(AddressTableTest, TheOrderDoesNotMatter) {
  std::vector<AddressClaim> claims{Claim(1, 5, 1, 100), Claim(2, 6, 1, 200), Claim(3, 9, 2, 300),
                                   Claim(4, 6, 1, 400)};
  std::vector<size_t> order{0, 1, 2, 3};
  do {
    IpcacheMap map;
    AddressTable table(&map);
    for (const size_t i : order) table.Claim(kAddress, claims[i]);
    EXPECT_EQ(map.Desired(kAddress)->identity, 400u);
    table.Withdraw(kAddress, 4);
    EXPECT_EQ(map.Desired(kAddress)->identity, 200u);
    table.Withdraw(kAddress, 2);
    EXPECT_EQ(map.Desired(kAddress)->identity, 100u);
    table.Withdraw(kAddress, 1);
    EXPECT_EQ(map.Desired(kAddress)->identity, 300u);
    EXPECT_EQ(table.contested(), 0u);
  } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace
}  // namespace trivium
