// Judges packets by the content of FakeMapIo as the programs in bpf/ do, in a few obvious lines; and prints
// that content in a form that is the same for any two agents that hold the same state, however they came by
// it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/fake_map_io.h"

namespace trivium {

struct JudgedFlow {
  std::string local;   // address of a local endpoint, 4 or 16 bytes
  std::string remote;  // the other end
  uint32_t direction = 0;
  uint8_t protocol = 6;
  uint16_t port = 0;
};

enum class MapVerdict { kAllow, kDeny, kClosed, kNoEndpoint, kUnknownPod, kUnknownIdentity };

MapVerdict Judge(const FakeMapIo& maps, const JudgedFlow& flow, uint32_t space = 0);
// The identity that a packet from or to the address is judged as; 0 if it is dropped before.
uint32_t IdentityOf(const FakeMapIo& maps, const std::string& ip, uint32_t space = 0);

// Rule sets, classes and CIDR identities by what they mean, not by their numbers; the vector is left out.
std::vector<std::string> Meaning(const FakeMapIo& maps);

}  // namespace trivium
