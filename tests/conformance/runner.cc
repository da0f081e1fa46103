#include "tests/conformance/runner.h"

#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace trivium::conformance {
namespace {

class CaseRun {
 public:
  CaseRun(const Case& c, std::unique_ptr<Judge> judge, std::ostream& out, Tally* tally)
      : case_(c),
        judge_(std::move(judge)),
        out_(out),
        tally_(tally),
        world_([this](uint32_t cluster, v1::Kind kind, const std::string& key, ObjectPtr before,
                      ObjectPtr after, uint64_t revision) {
          judge_->OnChange(cluster, kind, key, std::move(before), std::move(after), revision);
        }) {}

  absl::Status Run() {
    TRIVIUM_RETURN_IF_ERROR(Annotate(world_.Start(case_), "world"));
    judge_->OnStart(case_);
    for (size_t step = 0; step < case_.steps.size(); ++step) {
      TRIVIUM_RETURN_IF_ERROR(Annotate(RunStep(step), absl::StrCat("step ", step)));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status RunStep(size_t number) {
    const Step& step = case_.steps[number];
    for (size_t i = 0; i < step.actions.size(); ++i) {
      const absl::Status status = world_.Do(step.actions[i]);
      if (step.refused) {
        ++tally_->cells;
        if (status.ok()) Wrong(number, absl::StrCat("do[", i, "] was accepted and should have been refused"));
      } else {
        TRIVIUM_RETURN_IF_ERROR(Annotate(status, absl::StrCat("do[", i, "]")));
        judge_->OnAction(step.actions[i]);
      }
    }
    TRIVIUM_RETURN_IF_ERROR(judge_->Settle(world_));
    TRIVIUM_RETURN_IF_ERROR(OpenFor(step, number));
    for (const Probe& probe : step.probes) {
      TRIVIUM_RETURN_IF_ERROR(EachCell(probe, [&](const Flow& flow, bool expected) -> absl::Status {
        TRIVIUM_ASSIGN_OR_RETURN(const Answer answer,
                                 probe.established_since.has_value()
                                     ? judge_->Established(world_, flow, *probe.established_since)
                                     : judge_->New(world_, flow));
        ++tally_->cells;
        if (answer.allowed != expected) {
          Wrong(number, absl::StrCat(flow.from, " -> ", flow.to, " ", probe.port, "/",
                                     v1::Protocol_Name(probe.protocol).substr(9), " ipv", flow.family,
                                     probe.established_since.has_value() ? " established" : "", ": expected ",
                                     expected ? "allowed" : "denied", ", got ",
                                     answer.allowed ? "allowed" : "denied", " (", answer.why, ")"));
        }
        return absl::OkStatus();
      }));
    }
    // Connections that later steps ask about are opened now.
    for (size_t later = number + 1; later < case_.steps.size(); ++later) {
      TRIVIUM_RETURN_IF_ERROR(OpenFor(case_.steps[later], number));
    }
    return absl::OkStatus();
  }

  // Opens the connections that the step's probes ask about and that are opened after step `number`.
  absl::Status OpenFor(const Step& step, size_t number) {
    for (const Probe& probe : step.probes) {
      if (probe.established_since != number) continue;
      TRIVIUM_RETURN_IF_ERROR(
          EachCell(probe, [&](const Flow& flow, bool) { return judge_->Open(world_, flow, number); }));
    }
    return absl::OkStatus();
  }

  // Every cell that is judged and whose two ends are there.
  absl::Status EachCell(const Probe& probe, const std::function<absl::Status(const Flow&, bool)>& visit) {
    for (size_t i = 0; i < probe.order.size(); ++i) {
      for (size_t j = 0; j < probe.order.size(); ++j) {
        if (probe.table[i][j] == '.') continue;
        const Host* source = world_.Find(probe.order[i]);
        const Host* destination = world_.Find(probe.order[j]);
        if (i == j || source == nullptr || destination == nullptr || source->Ip(probe.family).empty() ||
            destination->Ip(probe.family).empty() || (source->external() && destination->external())) {
          continue;
        }
        TRIVIUM_RETURN_IF_ERROR(visit(Flow{probe.order[i], probe.order[j], *source, *destination,
                                           probe.protocol, probe.port, probe.family},
                                      probe.table[i][j] == '1'));
      }
    }
    return absl::OkStatus();
  }

  void Wrong(size_t step, const std::string& what) {
    ++tally_->wrong;
    out_ << case_.name << ": step " << step << ": " << what << "\n";
  }

  const Case& case_;
  const std::unique_ptr<Judge> judge_;
  std::ostream& out_;
  Tally* const tally_;
  World world_;
};

}  // namespace

void RunCase(const Case& c, const NewJudge& new_judge, std::ostream& out, Tally* tally) {
  ++tally->cases;
  CaseRun run(c, new_judge(), out, tally);
  if (const absl::Status status = run.Run(); !status.ok()) {
    ++tally->wrong;
    out << c.name << ": " << status.message() << "\n";
  }
}

}  // namespace trivium::conformance
