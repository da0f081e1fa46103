#include "controlplane/relay/event.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "schema/json_schema.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

using json::Json;

std::string TimeText(int64_t time_us) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6SZ", absl::FromUnixMicros(time_us), absl::UTCTimeZone());
}

// What every event says of itself. CloudEvents' integers have 32 bits: larger numbers are texts.
Json CommonAttributes(absl::string_view cluster, const EventPosition& position, absl::string_view kind,
                      absl::string_view op, const std::string& subject, int64_t time_us) {
  return {{"specversion", "1.0"},
          {"id", EventId(cluster, position)},
          {"source", absl::StrCat("/trivium/clusters/", cluster)},
          {"type", EventType(kind, op)},
          {"subject", subject},
          {"time", TimeText(time_us)},
          {"datacontenttype", "application/json"},
          {"dataschema", json::EventSchemaId(kind)},
          {"cluster", cluster},
          {"epoch", absl::StrCat(position.epoch)},
          {"revision", absl::StrCat(position.revision)}};
}

struct Names {
  std::string ns;
  std::string name;
  std::string policy_kind;
};

// What a deleted object was called. A writer names a deleted endpoint, whose key is its uid alone.
Names NamesOfDeleted(const v1::Change& change) {
  const std::vector<std::string> parts = absl::StrSplit(change.key(), '/');
  switch (change.kind()) {
    case v1::KIND_ENDPOINT: {
      const v1::Endpoint& was = change.object().endpoint();
      return {was.namespace_(), was.name().empty() ? change.key() : was.name(), ""};
    }
    case v1::KIND_POLICY:
      if (parts.size() == 3) return {parts[1], parts[2], parts[0]};
      break;
    case v1::KIND_SERVICE:
      if (parts.size() == 2) return {parts[0], parts[1], ""};
      break;
    case v1::KIND_BACKEND:
      if (parts.size() == 4) return {parts[0], change.key(), ""};
      break;
    default:
      break;
  }
  return {"", change.key(), ""};
}

Json DeletedJson(const v1::Change& change, const Names& names, uint64_t revision) {
  const json::Resource resource = json::ResourceOf(change.kind(), names.policy_kind);
  Json out = {{"apiVersion", resource.api_version}, {"kind", resource.name}, {"metadata", Json::object()}};
  Json& metadata = out["metadata"];
  metadata["name"] = names.name;
  if (resource.namespaced && !names.ns.empty()) metadata["namespace"] = names.ns;
  if (change.kind() == v1::KIND_ENDPOINT) {
    const absl::StatusOr<Id128> uid = Id128::FromHex(change.key());
    if (uid.ok()) metadata["uid"] = uid->ToUuid();
  }
  metadata["resourceVersion"] = absl::StrCat(revision);
  return out;
}

Event EventOf(const Batch& batch, const v1::Change& change, uint32_t index, uint32_t changes) {
  Event event;
  event.position = {batch.epoch, batch.revision, index, changes, batch.batch, ""};
  event.id = EventId(batch.cluster, event.position);
  const bool gone = change.op() == v1::Change::DELETE;
  const ObjectKey key = KeyOf(change);
  const absl::string_view kind = KindName(key.kind);
  const absl::string_view op = gone ? "delete" : "upsert";
  std::string ns;
  if (gone) {
    const Names names = NamesOfDeleted(change);
    ns = names.ns;
    event.data = DeletedJson(change, names, batch.revision);
  } else {
    ns = json::FieldText(change.object(), "namespace");
    event.data = json::ObjectJson(change.object(), batch.revision);
  }
  event.subject = subjects::Event(batch.cluster, kind, EventToken(ns), op);
  event.attributes = CommonAttributes(batch.cluster, event.position, kind, op, key.key, change.time_us());
  event.attributes["index"] = index;
  event.attributes["changes"] = changes;
  if (!change.actor().empty()) event.attributes["actor"] = change.actor();
  if (!change.source().empty()) event.attributes["program"] = change.source();
  return event;
}

}  // namespace

std::string EventId(absl::string_view cluster, const EventPosition& position) {
  return absl::StrCat(cluster, ":", position.epoch, ":", position.revision, ":",
                      position.marker.empty() ? absl::StrCat(position.index) : position.marker);
}

absl::StatusOr<EventPosition> ParseEventPosition(absl::string_view cluster, absl::string_view id,
                                                 absl::string_view changes, absl::string_view batch) {
  const absl::Status strange = absl::DataLossError(
      absl::StrCat("a message with id \"", id, "\" is no event that a relay of ", cluster, " wrote"));
  const std::vector<absl::string_view> parts = absl::StrSplit(id, ':');
  EventPosition position;
  if (parts.size() != 4 || parts[0] != cluster || !absl::SimpleAtoi(parts[1], &position.epoch) ||
      !absl::SimpleAtoi(parts[2], &position.revision)) {
    return strange;
  }
  if (parts[3] == "begin" || parts[3] == "epoch" || parts[3] == "lost") {
    position.marker = std::string(parts[3]);
  } else if (!absl::SimpleAtoi(parts[3], &position.index) || !absl::SimpleAtoi(changes, &position.changes) ||
             position.index >= position.changes) {
    return strange;
  }
  if (!batch.empty()) {
    const absl::StatusOr<Id128> known = Id128::FromHex(batch);
    if (!known.ok()) return strange;
    position.batch = *known;
  }
  return position;
}

std::vector<Event> EventsOf(const Batch& batch) {
  std::vector<Event> events;
  const uint32_t changes = static_cast<uint32_t>(batch.changes.changes_size());
  events.reserve(changes);
  for (uint32_t i = 0; i < changes; ++i) {
    events.push_back(EventOf(batch, batch.changes.changes(static_cast<int>(i)), i, changes));
  }
  return events;
}

Event MarkerOf(absl::string_view cluster, const EventPosition& position,
               const std::optional<EventPosition>& before, absl::string_view reason, int64_t time_us) {
  Event event;
  event.position = position;
  event.id = EventId(cluster, position);
  event.subject = subjects::Event(cluster, kLogEvents, "_", position.marker);
  event.attributes =
      CommonAttributes(cluster, position, kLogEvents, position.marker, std::string(cluster), time_us);
  event.data = {{"reason", reason}};
  if (before.has_value()) {
    event.data["previousepoch"] = absl::StrCat(before->epoch);
    event.data["previousrevision"] = absl::StrCat(before->revision);
  }
  return event;
}

std::string EventText(const Event& event, const std::optional<PreviousEvent>& previous, size_t max_bytes) {
  Json out = event.attributes;
  if (previous.has_value()) {
    out["previd"] = previous->id;
    out["prevrevision"] = absl::StrCat(previous->revision);
  }
  out["data"] = event.data;
  // What is no UTF-8 (the log holds what a writer took) is replaced, never thrown at the caller.
  const auto text = [&out] { return out.dump(-1, ' ', false, Json::error_handler_t::replace); };
  std::string whole = text();
  if (whole.size() <= max_bytes) return whole;
  out["data"].erase("spec");
  out["dataomitted"] = absl::StrCat(whole.size());
  return text();
}

}  // namespace trivium
