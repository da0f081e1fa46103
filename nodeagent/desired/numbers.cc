#include "nodeagent/desired/numbers.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/status.h"
#include "nodeagent/reconcile/map_writer.h"

namespace trivium {
namespace {

// How the record uses vector_value: epoch and revision each hold two numbers.
uint64_t Pack(uint32_t high, uint32_t low) { return static_cast<uint64_t>(high) << 32 | low; }

vector_key RecordKey() {
  vector_key key{};
  key.cluster = Numbers::kRecord;
  return key;
}

}  // namespace

void Numbers::Recover() {
  if (const std::optional<vector_value> record = maps_->vector.Actual(RecordKey())) {
    next_.rule_set = static_cast<uint32_t>(record->epoch >> 32);
    next_.identity = static_cast<uint32_t>(record->epoch);
    next_.endpoint = static_cast<uint32_t>(record->revision >> 32);
    next_.cookie = static_cast<uint32_t>(record->revision);
    maps_->vector.Set(RecordKey(), *record);
  }
  auto past = [](uint32_t* next, uint32_t used) { *next = std::max(*next, used + 1); };
  for (const auto& [key, value] : maps_->classes.extra()) past(&next_.rule_set, key.rule_set);
  for (const auto& [key, value] : maps_->verdicts.extra()) {
    past(&next_.rule_set, key.rule_set);
    past(&next_.cookie, value.cookie);
  }
  for (const auto& [key, value] : maps_->endpoint_policy.extra()) {
    past(&next_.rule_set, value.rule_set);
    past(&next_.endpoint, key.endpoint);
  }
  for (const auto& [key, value] : maps_->endpoints.extra()) past(&next_.endpoint, value.endpoint);
  for (const auto& [key, value] : maps_->known.extra()) past(&next_.identity, key.identity);
  for (const auto& [key, value] : maps_->classes.extra()) past(&next_.identity, key.identity);
  for (const auto& [key, value] : maps_->lpm.extra()) past(&next_.identity, value.identity);
}

void Numbers::EndpointInUse(uint32_t number) { next_.endpoint = std::max(next_.endpoint, number + 1); }

absl::Status Numbers::Reserve(MapIo* io) {
  if (next_.rule_set <= reserved_.rule_set && next_.identity <= reserved_.identity &&
      next_.endpoint <= reserved_.endpoint && next_.cookie <= reserved_.cookie) {
    return absl::OkStatus();
  }
  const Next ahead{next_.rule_set + kAhead, next_.identity + kAhead, next_.endpoint + kAhead,
                   next_.cookie + kAhead};
  vector_value value{};
  value.epoch = Pack(ahead.rule_set, ahead.identity);
  value.revision = Pack(ahead.endpoint, ahead.cookie);
  maps_->vector.Set(RecordKey(), value);
  MapWriter writer(io);
  writer.Write(MapId::kVector, &maps_->vector, {{RecordKey(), value}});
  if (!writer.problems().empty()) return Annotate(writer.problems()[0].status, "reserving numbers");
  reserved_ = ahead;
  return absl::OkStatus();
}

}  // namespace trivium
