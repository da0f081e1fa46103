// JSON Schemas (draft 7) of what third parties receive, made from the protobuf descriptors: one for the
// events of each kind of object, one for the events about the log itself. They are committed in schema/json/,
// and json_schema_test keeps them what this code makes. Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "schema/object_json.h"

namespace trivium::json {

// What a schema calls itself, and what an event's `dataschema` names: "urn:trivium:v1:event:policy".
std::string EventSchemaId(absl::string_view kind);

// Of the events of one kind of object.
Json EventSchema(v1::Kind kind);
// Of the events about the log: where it begins, a new epoch, what was lost (docs/events.md).
Json LogEventSchema();

// Every kind that there is, in the order of its number.
std::vector<v1::Kind> AllObjectKinds();

}  // namespace trivium::json
