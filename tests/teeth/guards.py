"""Each guard, how to take it out, and the test that must fail without it.

`cut` is text of `file` as it stands, once; `without` takes its place. A guard whose text is not found has moved: correct it
here. The tests named must pass with the guard and at least one of them fail without it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    name: str
    file: str
    cut: str
    without: str
    program: str  # the target of the test program
    tests: str    # a GoogleTest filter


GUARDS = [
    Guard("revision gap", "replica/replica.cc",
          "if (place != Outcome::kGap || batch.revision != position_.revision + 1) return place;",
          "if (place != Outcome::kGap) return place;",
          "replica_test", "Replica*"),
    Guard("batch chain", "replica/replica.cc",
          "return batch.prev_batch == position_.batch ? Outcome::kApplied : Outcome::kFork;",
          "return Outcome::kApplied;",
          "replica_test", "Replica*"),
    Guard("digest", "replica/replica.cc",
          "if (mirror_.digest() != batch.digest) {",
          "if (false) {",
          "replica_test", "Replica*"),
    Guard("compare-and-set", "controlplane/db/statements.cc",
          "AND epoch = $5::INT8 AND revision = $6::INT8 AND last_batch = $7::UUID",
          "AND $5::INT8 >= 0 AND $6::INT8 >= 0 AND $7::UUID IS NOT NULL",
          "sql_store_contract_test", "*ALostRace*:*RacingWriters*"),
    Guard("same request id, same instance: remembered", "controlplane/writer/writer.cc",
          "if (const auto answer = memory_.Answer(id, job->write.actor)) {",
          "if (const auto answer = memory_.Answer(id, job->write.actor); answer && false) {",
          "writer_test", "WriterTest.*Repetition*"),
    Guard("same request id, whoever did it: its row in SQL", "controlplane/writer/writer.cc",
          "} else if (found->has_value() && reply.ParseFromString(**found)) {",
          "} else if (found->has_value() && reply.ParseFromString(**found) && false) {",
          "writer_test", "WriterTest.*Repetition*"),
    Guard("same request id, looked up before it is planned", "controlplane/writer/writer.cc",
          "if (memory_.Known(id) || !memory_.Complete(clock_->Monotonic())) return LookUp(std::move(job));",
          "if (memory_.Known(id) && false) return LookUp(std::move(job));",
          "writer_test", "WriterTest.*Repetition*"),
    Guard("same request id, known since it was queued", "controlplane/writer/writer.cc",
          "const bool maybe_done = jumped_over || memory_.Known(job->write.request_id);",
          "const bool maybe_done = jumped_over && false;",
          "writer_test", "WriterTest.*Once:WriterTest.*Repetition*"),
    Guard("publish only after commit", "controlplane/writer/writer.cc",
          "  CommitRequest copy = flight->request;",
          "  on_commit_(flight->request.batch);\n  CommitRequest copy = flight->request;",
          "writer_test", "WriterTest.*"),
    Guard("nothing deleted before in sync", "nodeagent/app.cc",
          "  if (MayWriteRemote()) {\n    report = pipeline_.Flush(",
          "  if (MayWriteRemote() || true) {\n    report = pipeline_.Flush(",
          "agent_crash_flow_test", "AgentCrash.ALostCopyNeverTakesTheMapsBack"),
    Guard("never backwards after a crash", "nodeagent/app.cc",
          "(held.epoch == place.epoch && held.revision < place.revision)",
          "(held.epoch == place.epoch && held.revision < place.revision && false)",
          "agent_crash_flow_test", "AgentCrash.ACopyBehindTheMapsNeverTakesThemBack"),
    Guard("known map", "bpf/lib/conntrack.h",
          "  if (!known_identity(f->identity)) return DROP_UNKNOWN_IDENTITY;\n",
          "",
          "packet_test", "*"),
    Guard("an identity is of its sender's cluster", "bpf/from_overlay.h",
          "const struct known_value* owner = known_identity(vni);",
          "const struct known_value* owner = known_identity(1);",
          "packet_test", "*"),
    Guard("conntrack rejudging", "bpf/lib/conntrack.h",
          "entry && entry->rule_set == rule_set && entry->identity == f->identity &&",
          "entry && entry->identity == f->identity &&",
          "conntrack_packet_test", "*PolicyChangeStopsBothEnds*"),
    Guard("no reopening in reverse", "bpf/lib/conntrack.h",
          "    ct_deny(&key, &value);\n    return reason;",
          "    bpf_map_delete_elem(&ct_allowed, &key);\n    return reason;",
          "conntrack_packet_test", "*OtherEndsRetransmitDoesNotOpenInReverse*"),
    Guard("reuse of identities", "controlplane/writer/retired_numbers.cc",
          "if (std::tie(it->second.epoch, it->second.revision) <= std::tie(epoch, revision)) Erase(it);",
          "if (epoch + revision > 0) Erase(it);",
          "controlplane_flow_test", "IdentityFlowTest.*"),
    Guard("confirmation by every node of the mesh", "controlplane/db/statements.cc",
          " ORDER BY COALESCE(p.epoch, 0), COALESCE(p.enforced, 0), w.name, n.name LIMIT 1",
          " ORDER BY COALESCE(p.epoch, 0) DESC, COALESCE(p.enforced, 0) DESC, w.name, n.name LIMIT 1",
          "sql_store_contract_test", "*Identit*:*Confirmed*"),
    Guard("a restore that its own control plane cannot see", "controlplane/sync/mirrors.cc",
          "with_index ? 0 : kLeaveToOthers",
          "with_index ? 0 : 1000 * kLeaveToOthers",
          "controlplane_flow_test", "ControlPlaneFlowTest.ARestore*"),
    Guard("a new epoch is beyond the one that was lost", "controlplane/app.cc",
          "std::max(static_cast<uint64_t>(absl::ToUnixSeconds(now)), lost + 1)",
          "std::max(static_cast<uint64_t>(absl::ToUnixSeconds(now)), lost * 0)",
          "controlplane_flow_test", "ControlPlaneFlowTest.ALostEpoch*"),
]
