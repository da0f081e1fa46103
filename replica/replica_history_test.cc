// Random histories with forks and restores, delivered with losses, repeats and reorders: whatever comes, a
// replica holds a prefix of one of them, and the usual answers (delta, snapshot) bring it to the head.
#include <gtest/gtest.h>

#include <deque>

#include "replica/replica.h"
#include "replica/test_history.h"

namespace trivium {
namespace {

using Outcome = Replica::Outcome;

class Delivery {
 public:
  explicit Delivery(uint32_t seed) : rng_(seed) {
    History first;
    for (int i = 0; i < 30; ++i) first.CommitRandom(&rng_);
    histories_.push_back(first);
    forked_at_.push_back(0);
    // A fork in the same epoch, then a restore to an earlier state, then a fork of that.
    AddBranch(0, 1);
    AddBranch(rng_() % 2, 2);
    AddBranch(2, 2);
  }

  void Run() {
    EXPECT_TRUE(replica_.LoadSnapshot(histories_[0].SnapshotAt(0)).ok());
    for (size_t h = 0; h < histories_.size() && !testing::Test::HasFailure(); ++h) {
      committed_ = forked_at_[h];
      for (const Batch& batch : histories_[h].batches) {
        committed_ = std::max(committed_, batch.revision);
        Send(&batch);
        // Now and then something of another history, or long past.
        if (rng_() % 5 == 0) {
          const History& other = histories_[rng_() % (h + 1)];
          if (!other.batches.empty()) Send(&other.batches[rng_() % other.batches.size()]);
        }
        while (wire_.size() > rng_() % 6) Receive(h);
      }
    }
    while (!wire_.empty()) Receive(histories_.size() - 1);
    // One beacon, one answer: at the head.
    const History& last = histories_.back();
    Answer(replica_.JudgeHead(last.HeadAt(last.head())), last);
    EXPECT_EQ(replica_.position(), (Position{last.epoch, last.head(), last.BatchAt(last.head())}));
    EXPECT_EQ(StateOf(replica_), last.states.back());
  }
  int applied() const { return applied_; }

 private:
  void AddBranch(size_t of, uint64_t epoch) {
    const History& old = histories_[of];
    forked_at_.push_back(old.base + rng_() % (old.batches.size() + 1));
    History branch = old.BranchAt(forked_at_.back(), epoch);
    for (int i = 0; i < 25; ++i) branch.CommitRandom(&rng_);
    histories_.push_back(branch);
  }

  void Send(const Batch* batch) {
    if (rng_() % 6 == 0) return;
    wire_.push_back(batch);
    if (rng_() % 6 == 0) wire_.push_back(batch);
  }

  void Receive(size_t current) {
    if (wire_.empty()) return;
    const auto it = wire_.begin() + static_cast<long>(rng_() % std::min<size_t>(wire_.size(), 3));
    const Batch batch = **it;
    wire_.erase(it);
    const Position before = replica_.position();
    const Outcome foreseen = replica_.Judge(batch);
    const Outcome outcome = replica_.Apply(batch);
    EXPECT_EQ(outcome, foreseen);
    EXPECT_NE(outcome, Outcome::kCorrupt);
    if (outcome == Outcome::kApplied) {
      ++applied_;
      EXPECT_EQ(replica_.position().revision, before.revision + 1);
    } else {
      EXPECT_EQ(replica_.position(), before);
    }
    ExpectAPrefix();
    if (rng_() % 3 == 0) Answer(outcome, histories_[current]);
  }

  // What a control plane would send to a replica that reported `outcome`.
  void Answer(Outcome outcome, const History& truth) {
    const bool on_it = replica_.position().epoch == truth.epoch &&
                       replica_.position().revision >= truth.base &&
                       replica_.position().revision <= truth.head() &&
                       truth.BatchAt(replica_.position().revision) == replica_.position().batch;
    if (outcome == Outcome::kGap && on_it) {
      for (uint64_t r = replica_.position().revision + 1; r <= committed_; ++r) {
        EXPECT_EQ(replica_.Apply(truth.batches[r - truth.base - 1]), Outcome::kApplied);
      }
    } else if (outcome == Outcome::kGap || outcome == Outcome::kFork || outcome == Outcome::kNewerEpoch) {
      const absl::Status loaded = replica_.LoadSnapshot(truth.SnapshotAt(committed_, 1 + rng_() % 3));
      // The alarm may have been raised by a stray while what is told is the replica's own past.
      EXPECT_TRUE(loaded.ok() || (loaded.code() == absl::StatusCode::kFailedPrecondition &&
                                  committed_ < replica_.position().revision))
          << loaded;
    }
    ExpectAPrefix();
  }

  void ExpectAPrefix() {
    const Position& at = replica_.position();
    for (const History& history : histories_) {
      if (history.epoch == at.epoch && at.revision >= history.base && at.revision <= history.head() &&
          history.BatchAt(at.revision) == at.batch) {
        EXPECT_EQ(StateOf(replica_), history.StateAt(at.revision));
        EXPECT_EQ(replica_.mirror().digest(), history.StateAt(at.revision).digest());
        return;
      }
    }
    ADD_FAILURE() << "revision " << at.revision << " of epoch " << at.epoch << " is in no history";
  }

  std::mt19937 rng_;
  std::vector<History> histories_;
  std::vector<uint64_t> forked_at_;  // where each leaves the one before
  std::deque<const Batch*> wire_;
  Replica replica_{"aws"};
  uint64_t committed_ = 0;  // the revision that the answering control plane has
  int applied_ = 0;
};

TEST(ReplicaHistories, OnlyEverAPrefix) {
  int applied = 0;
  for (uint32_t seed = 1; seed <= 500 && !HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Delivery delivery(seed);
    delivery.Run();
    applied += delivery.applied();
  }
  EXPECT_GT(applied, 10000);  // the deliveries do not only fail
}

}  // namespace
}  // namespace trivium
