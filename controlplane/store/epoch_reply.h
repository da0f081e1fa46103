// A head as it goes out, and what whoever asked for a new epoch is answered, at once and on repetition. Pure.
#pragma once

#include <string>

#include "controlplane/store/store.h"
#include "trivium/v1/feed.pb.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

v1::Head ToHead(const std::string& cluster, const StoredHead& stored);
v1::Reply EpochReply(const std::string& cluster, const NewEpoch& epoch);

}  // namespace trivium
