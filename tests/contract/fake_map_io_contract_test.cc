#include "tests/contract/map_io_contract.h"
#include "tests/support/fake_map_io.h"

namespace trivium {
namespace {

INSTANTIATE_TEST_SUITE_P(Fake, MapIoContract, testing::Values(MapIoMaker([] {
                           auto io = std::make_unique<FakeMapIo>();
                           io->SetCapacity(MapId::kKnown, kSmallMap);
                           return io;
                         })));

}  // namespace
}  // namespace trivium
