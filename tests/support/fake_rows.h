// What a commit does to the rows of a FakeDatabase. Pure.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/support/fake_store.h"

namespace trivium {

// Of the objects that are there.
Id128 DigestOf(const FakeDatabase::ClusterRows& rows);
// That the batch follows the head that it expects.
absl::Status CheckRequest(const CommitRequest& request);
// As Store::Commit says, at once.
absl::Status CommitRows(const CommitRequest& request, absl::Time now, FakeDatabase::ClusterRows* rows);
// As Store::WriteReachability says.
absl::Status WriteReachabilityRows(const ReachabilityWrite& write, FakeDatabase::ClusterRows* rows);
// Another writer's batch without changes at the next revision.
absl::Status TakePlace(const ClusterRef& cluster, absl::Time now, FakeDatabase::ClusterRows* rows);

}  // namespace trivium
