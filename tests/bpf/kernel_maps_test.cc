// The maps as the kernel has them: layouts against the object's own types, the MapIo contract, pins.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "datapath_bpf.skel.h"
#include "nodeagent/kernel/datapath.h"
#include "nodeagent/kernel/fd.h"
#include "nodeagent/kernel/kernel_map_io.h"
#include "tests/contract/map_io_contract.h"

namespace trivium {
namespace {

DatapathOptions ContractSizes() {
  DatapathOptions options;
  options.sizes = {.ipcache = kLargeMap,
                   .ipcache_lpm = kLargeMap,
                   .nodes = kLargeMap,
                   .underlay = kLargeMap,
                   .known = kSmallMap,
                   .policy_class = kLargeMap,
                   .policy_verdict = kLargeMap,
                   .endpoints = kLargeMap,
                   .conntrack = 16,
                   .conntrack_denied = 16};
  return options;
}

class OwningMapIo final : public MapIo {
 public:
  explicit OwningMapIo(std::unique_ptr<Datapath> datapath)
      : datapath_(std::move(datapath)), io_(datapath_.get()) {}
  MapInfo Info(MapId map) const override { return io_.Info(map); }
  MapWriteResult Update(MapId map, const MapRecords& records) override { return io_.Update(map, records); }
  MapWriteResult Delete(MapId map, const MapRecords& keys) override { return io_.Delete(map, keys); }
  absl::StatusOr<MapRecords> ReadAll(MapId map) override { return io_.ReadAll(map); }

 private:
  std::unique_ptr<Datapath> datapath_;
  KernelMapIo io_;
};

INSTANTIATE_TEST_SUITE_P(Kernel, MapIoContract, testing::Values(MapIoMaker([]() -> std::unique_ptr<MapIo> {
                           auto datapath = Datapath::Load(ContractSizes());
                           EXPECT_TRUE(datapath.ok()) << datapath.status();
                           if (!datapath.ok()) return nullptr;
                           return std::make_unique<OwningMapIo>(*std::move(datapath));
                         })));

// Sizes and member offsets of the types that the object's maps are made of equal ours.
TEST(MapLayouts, EqualOnBothSides) {
  datapath_bpf* skeleton = datapath_bpf::open();
  ASSERT_NE(skeleton, nullptr);
  const btf* types = bpf_object__btf(skeleton->obj);
  ASSERT_NE(types, nullptr);
  const auto size = [&](const char* name) -> int64_t {
    const int id = btf__find_by_name_kind(types, name, BTF_KIND_STRUCT);
    return id < 0 ? -1 : btf__resolve_size(types, id);
  };
  const auto offset = [&](const char* name, const char* member) -> int64_t {
    const btf_type* type = btf__type_by_id(types, btf__find_by_name_kind(types, name, BTF_KIND_STRUCT));
    if (type == nullptr) return -1;
    for (int i = 0; i < btf_vlen(type); ++i) {
      if (std::string(btf__name_by_offset(types, btf_members(type)[i].name_off)) == member) {
        return btf_member_bit_offset(type, i) / 8;
      }
    }
    return -1;
  };
#define TRIVIUM_EXPECT_SIZE(type) EXPECT_EQ(size(#type), sizeof(type)) << #type
#define TRIVIUM_EXPECT_OFFSET(type, member) \
  EXPECT_EQ(offset(#type, #member), offsetof(type, member)) << #type "." #member
  TRIVIUM_EXPECT_SIZE(ipcache_key);
  TRIVIUM_EXPECT_SIZE(ipcache_lpm_key);
  TRIVIUM_EXPECT_SIZE(ipcache_value);
  TRIVIUM_EXPECT_SIZE(node_key);
  TRIVIUM_EXPECT_SIZE(node_value);
  TRIVIUM_EXPECT_SIZE(underlay_key);
  TRIVIUM_EXPECT_SIZE(underlay_value);
  TRIVIUM_EXPECT_SIZE(known_key);
  TRIVIUM_EXPECT_SIZE(known_value);
  TRIVIUM_EXPECT_SIZE(policy_class_key);
  TRIVIUM_EXPECT_SIZE(policy_class_value);
  TRIVIUM_EXPECT_SIZE(policy_verdict_key);
  TRIVIUM_EXPECT_SIZE(policy_verdict_value);
  TRIVIUM_EXPECT_SIZE(endpoint_policy_key);
  TRIVIUM_EXPECT_SIZE(endpoint_policy_value);
  TRIVIUM_EXPECT_SIZE(endpoint_key);
  TRIVIUM_EXPECT_SIZE(endpoint_value);
  TRIVIUM_EXPECT_SIZE(ct_key);
  TRIVIUM_EXPECT_SIZE(ct_value);
  TRIVIUM_EXPECT_SIZE(vector_key);
  TRIVIUM_EXPECT_SIZE(vector_value);
  TRIVIUM_EXPECT_SIZE(counter_value);
  TRIVIUM_EXPECT_OFFSET(ipcache_key, addr);
  TRIVIUM_EXPECT_OFFSET(ipcache_lpm_key, addr);
  TRIVIUM_EXPECT_OFFSET(ipcache_value, flags);
  TRIVIUM_EXPECT_OFFSET(node_value, underlay6);
  TRIVIUM_EXPECT_OFFSET(policy_verdict_key, port);
  TRIVIUM_EXPECT_OFFSET(policy_verdict_value, cookie);
  TRIVIUM_EXPECT_OFFSET(endpoint_value, host_mac);
  TRIVIUM_EXPECT_OFFSET(ct_key, protocol);
  TRIVIUM_EXPECT_OFFSET(ct_value, cookie);
#undef TRIVIUM_EXPECT_SIZE
#undef TRIVIUM_EXPECT_OFFSET

  // And every map is made of them.
  const auto expect = [](const bpf_map* map, size_t key, size_t value) {
    EXPECT_EQ(bpf_map__key_size(map), key) << bpf_map__name(map);
    EXPECT_EQ(bpf_map__value_size(map), value) << bpf_map__name(map);
  };
  const auto& maps = skeleton->maps;
  expect(maps.ct_allowed, sizeof(ct_key), sizeof(ct_value));
  expect(maps.ct_denied, sizeof(ct_key), sizeof(ct_value));
  expect(maps.counters, sizeof(uint32_t), sizeof(counter_value));
  EXPECT_EQ(bpf_map__max_entries(maps.counters), static_cast<uint32_t>(COUNTER_COUNT));
  datapath_bpf::destroy(skeleton);
}

class PinTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = "/sys/fs/bpf/trivium-test-" + std::to_string(getpid());
    options_ = ContractSizes();
    options_.pin_root = root_;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::string root_;
  DatapathOptions options_;
};

TEST_F(PinTest, MapsOutliveTheAgent) {
  const MapRecords records = [] {
    MapRecords r = {.key_size = 4, .value_size = 4};
    r.Add("abcd", "efgh");
    return r;
  }();
  {
    auto datapath = Datapath::Load(options_);
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    EXPECT_TRUE(KernelMapIo(datapath->get()).Update(MapId::kKnown, records).ok());
  }
  EXPECT_TRUE(std::filesystem::exists(Datapath::PinFolder(root_) + "/known"));
  EXPECT_TRUE(std::filesystem::exists(Datapath::PinFolder(root_) + "/ct_denied"));
  auto datapath = Datapath::Load(options_);
  ASSERT_TRUE(datapath.ok()) << datapath.status();
  const auto read = KernelMapIo(datapath->get()).ReadAll(MapId::kKnown);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->keys, records.keys);
  EXPECT_EQ(read->values, records.values);
}

TEST_F(PinTest, OtherSizeIsRefused) {
  ASSERT_TRUE(Datapath::Load(options_).ok());
  options_.sizes.policy_class += 1;
  const auto datapath = Datapath::Load(options_);
  EXPECT_EQ(datapath.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(datapath.status().message()),
              testing::AllOf(testing::HasSubstr("policy_class"), testing::HasSubstr("10000"),
                             testing::HasSubstr("10001")));
}

// Where nobody has mounted a file system for pins: as in an image without systemd.
TEST_F(PinTest, MountsItsFileSystemWhereNobodyHas) {
  const auto alone = [this] {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) _exit(2);
    while (umount2("/sys/fs/bpf", MNT_DETACH) == 0) {
    }
    _exit(Datapath::Load(options_).ok() ? 0 : 1);
  };
  EXPECT_EXIT(alone(), testing::ExitedWithCode(0), "");
}

TEST_F(PinTest, OtherLayoutIsRefused) {
  std::filesystem::create_directories(Datapath::PinFolder(root_));
  {
    LIBBPF_OPTS(bpf_map_create_opts, options);
    const Fd fd(bpf_map_create(BPF_MAP_TYPE_HASH, "known", 8, 4, kSmallMap, &options));
    ASSERT_TRUE(fd.ok());
    ASSERT_EQ(bpf_obj_pin(fd.get(), (Datapath::PinFolder(root_) + "/known").c_str()), 0);
  }
  const auto datapath = Datapath::Load(options_);
  EXPECT_EQ(datapath.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(datapath.status().message()), testing::HasSubstr("key size"));
}

TEST_F(PinTest, FolderOutsideABpffsIsRefused) {
  options_.pin_root = "/tmp/trivium-bpf-not-a-bpffs-" + std::to_string(getpid());
  const auto datapath = Datapath::Load(options_);
  EXPECT_FALSE(datapath.ok());
  std::filesystem::remove_all(options_.pin_root);
}

TEST_F(PinTest, SizeZeroIsRefused) {
  options_.sizes.known = 0;
  const auto datapath = Datapath::Load(options_);
  EXPECT_EQ(datapath.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(datapath.status().message()), testing::HasSubstr("known"));
}

}  // namespace
}  // namespace trivium
