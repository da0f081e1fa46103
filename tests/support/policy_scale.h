// A large cluster for the agent's pure part: many namespaces, identities and policies, few local endpoints;
// made by counting, so that every run is the same. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "nodeagent/desired/pipeline.h"

namespace trivium {

struct PolicyScale {
  uint32_t policies = 30000;
  uint32_t identities = 25000;  // half of them another cluster's
  uint32_t endpoints = 100;     // of this node, each with an identity of its own
  uint32_t apps = 25;           // in a namespace; an identity is one app in one namespace of one cluster
};

class PolicyScaleWorld {
 public:
  // Neither is owned.
  PolicyScaleWorld(const PolicyScale& scale, MapIo* maps, const Clock* clock);

  // Tells the pipeline of everything, and writes the maps.
  FlushReport Load();

  // Policy number `i` (below scale.policies): its app's peers in its namespace, on `port`. Every app has
  // one, and so has every local endpoint; the rest are policies about another app's egress.
  v1::Object PolicyObject(uint32_t i, uint32_t port) const;
  static std::string PolicyKeyOf(const v1::Object& policy);
  // Number of the policy that selects local endpoint `e`.
  uint32_t PolicyOfEndpoint(uint32_t e) const;
  // Of one more identity: an app that local endpoint `e`'s policy names as a peer, told from others by a
  // label.
  v1::Object PeerIdentity(uint32_t e, uint32_t number) const;
  void Tell(uint32_t cluster, v1::Kind kind, const std::string& key, v1::Object object);

  Pipeline& pipeline() { return pipeline_; }
  const PolicyScale& scale() const { return scale_; }
  // Identity numbers begin here; those from NextIdentity are free.
  static constexpr uint32_t kFirstIdentity = 1000;
  uint32_t NextIdentity() const { return kFirstIdentity + scale_.identities; }

 private:
  uint32_t Namespaces() const { return (scale_.identities / 2 + scale_.apps - 1) / scale_.apps; }
  v1::Object IdentityObject(uint32_t cluster, uint32_t ns, uint32_t app, uint32_t number,
                            const std::string& version) const;

  const PolicyScale scale_;
  MapIo* const maps_;
  Pipeline pipeline_;
  uint64_t revision_ = 0;
};

}  // namespace trivium
