// Who decides whether a packet passes: each judge sees the same world and is asked the same questions. To add
// one, implement Judge and name it in main.cc.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/conformance/world.h"

namespace trivium::conformance {

// A connection, by where it goes from, to, and what it asks for there. Both hosts exist and have the family.
struct Flow {
  std::string from;  // for messages, and to tell flows apart
  std::string to;
  Host source;
  Host destination;
  v1::Protocol protocol = v1::PROTOCOL_TCP;
  uint16_t port = 0;  // of ICMP: the type
  int family = 4;
};

struct Answer {
  bool allowed = false;
  std::string why;
};

class Judge {
 public:
  virtual ~Judge() = default;
  // What the case itself says, for a judge that reads it in its own way: its world, and each action that was
  // accepted.
  virtual void OnStart(const Case&) {}
  virtual void OnAction(const Action&) {}
  // Every change of the world, as it is made.
  virtual void OnChange(uint32_t cluster, v1::Kind kind, const std::string& key, ObjectPtr before,
                        ObjectPtr after, uint64_t revision) = 0;
  // All changes of a step have been made.
  virtual absl::Status Settle(const World& world) = 0;
  // Does a new connection pass?
  virtual absl::StatusOr<Answer> New(const World& world, const Flow& flow) = 0;
  // Opens a connection that Established will ask about in a later step.
  virtual absl::Status Open(const World& world, const Flow& flow, size_t step) = 0;
  // Does the next packet of the connection opened after `step` pass?
  virtual absl::StatusOr<Answer> Established(const World& world, const Flow& flow, size_t step) = 0;
};

std::unique_ptr<Judge> NewResolverJudge();
// The second, slow evaluator; shares no code with the policy library.
std::unique_ptr<Judge> NewReferenceJudge();
// Needs root. Only where the kernel room is built in.
std::unique_ptr<Judge> NewKernelJudge();

}  // namespace trivium::conformance
