// What goes with a new epoch: its row in the audit, a head as it goes out, and what whoever asked for it is
// answered, at once and on repetition. Pure.
#pragma once

#include <string>

#include "controlplane/store/store.h"
#include "trivium/v1/feed.pb.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

// `time_us`: when it was asked for, Unix microseconds. The request's id is the caller's to add, if one asked.
AuditRow EpochAudit(const std::string& cluster, std::string actor, std::string source, std::string why,
                    int64_t time_us);
v1::Head ToHead(const std::string& cluster, const StoredHead& stored);
v1::Reply EpochReply(const std::string& cluster, const NewEpoch& epoch);

}  // namespace trivium
