#!/usr/bin/env python3
"""Alerts, runbooks, dashboard and docs/metrics.md agree; each alert fires when it should and not otherwise, as Prometheus
itself evaluates it (promtool). Exit status 77: promtool is not here, the rest was checked."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from monitoring.expected import ROOT, alerts, documented, metrics_of, panels  # noqa: E402

# One alert: series without their values; what fires it; what does not. Values as promtool has them (one a minute).
CP, AGENT = 'job="trivium-controlplane",instance="c"', 'job="trivium-agent",instance="a"'
LOG = f'{AGENT},cluster="aws"'


def one(series, fires, quiet):
    return {series: fires}, {series: quiet}


def slow(name, labels, bound):
    """A histogram whose values all lie above, or all below, `bound`."""
    over = {f'{name}_bucket{{{labels},le="{bound}"}}': "0x30", f'{name}_bucket{{{labels},le="+Inf"}}': "0+60x30",
            f'{name}_bucket{{{labels},le="30"}}': "0+60x30"}
    under = {f'{name}_bucket{{{labels},le="{bound}"}}': "0+60x30", f'{name}_bucket{{{labels},le="+Inf"}}': "0+60x30"}
    return over, under


def dropped(reason, fires, quiet):
    return one(f'trivium_agent_dropped_packets_total{{{AGENT},reason="{reason}"}}', fires, quiet)


CASES = {
    "TriviumDown": one(f"up{{{AGENT}}}", "0x30", "1x30"),
    "TriviumNotReady": one(f"trivium_ready{{{CP}}}", "0x30", "1x30"),
    "TriviumRestarts": one(f"process_start_time_seconds{{{CP}}}", "0+60x30", "7x30"),
    "TriviumExecutorDelayed": one(f"trivium_executor_delay_seconds{{{CP}}}", "2x30", "0.01x30"),
    "TriviumNatsDisconnected": one(f"trivium_nats_connected{{{AGENT}}}", "0x30", "1x30"),
    "TriviumNatsFlapping": ({f"trivium_nats_disconnects_total{{{AGENT}}}": "0+1x30",
                             f"trivium_nats_rebuilds_total{{{AGENT}}}": "0x30"},
                            {f"trivium_nats_disconnects_total{{{AGENT}}}": "3x30",
                             f"trivium_nats_rebuilds_total{{{AGENT}}}": "1x30"}),
    "TriviumNatsRefused": one(f"trivium_nats_refused_total{{{CP}}}", "0+1x30", "1x30"),
    "TriviumMessagesDropped": one(f"trivium_nats_dropped_messages_total{{{CP}}}", "0+1x30", "1x30"),
    "TriviumSqlUnreachable": one(f"trivium_sql_up{{{CP}}}", "0x30", "1x30"),
    "TriviumCommitsSlow": slow("trivium_controlplane_commit_seconds", f'{CP},cluster="aws"', "1"),
    "TriviumRequestsRefused": one(f'trivium_controlplane_refused_full_total{{{CP},cluster="aws"}}', "0+1x30", "4x30"),
    "TriviumRacesLost": one(f'trivium_controlplane_lost_races_total{{{CP},cluster="aws"}}', "0+120x30", "0+6x30"),
    "TriviumMirrorBehind": ({f'trivium_controlplane_sql_revision{{{CP},cluster="aws"}}': "200+9x30",
                             f'trivium_controlplane_mirror_revision{{{CP},cluster="aws"}}': "7x30"},
                            {f'trivium_controlplane_sql_revision{{{CP},cluster="aws"}}': "200+9x30",
                             f'trivium_controlplane_mirror_revision{{{CP},cluster="aws"}}': "197+9x30"}),
    "TriviumAgentsSilent": one(f'trivium_controlplane_agents_silent{{{CP},cluster="aws"}}', "1x30", "0x30"),
    "TriviumAgentsBehind": one(f'trivium_controlplane_agents_max_behind_revisions{{{CP},cluster="aws"}}', "101x30",
                               "3x30"),
    "TriviumPoliciesNotEnforced": one(f"trivium_agent_not_enforced_policies{{{AGENT}}}", "1x30", "0x30"),
    "TriviumEndpointsClosed": one(f'trivium_agent_endpoints{{{AGENT},state="locked_down"}}', "1x30", "0x30"),
    "TriviumMapFilling": ({f'trivium_agent_map_entries{{{AGENT},map="ipcache"}}': "81x30",
                           f'trivium_agent_map_capacity{{{AGENT},map="ipcache"}}': "100x30"},
                          {f'trivium_agent_map_entries{{{AGENT},map="ipcache"}}': "79x30",
                           f'trivium_agent_map_capacity{{{AGENT},map="ipcache"}}': "100x30"}),
    "TriviumChangesLate": slow("trivium_agent_change_lag_seconds", AGENT, "5"),
    "TriviumFeedGaps": one(f"trivium_agent_gaps_total{{{LOG}}}", "0+60x30", "0+1x30"),
    "TriviumSnapshotsRepeated": one(f"trivium_agent_snapshots_total{{{LOG}}}", "0+1x30", "1x30"),
    "TriviumUnknownPeers": dropped("identity not known yet", "0+600x30", "0+6x30"),
    "TriviumSpoofing": dropped("tunnel packet from an address that is no node's", "0+600x30", "0+6x30"),
    "TriviumConnectionTableFull": dropped("connection table full", "0+1x30", "5x30"),
}

failures = []


def expect(ok, text):
    if not ok:
        failures.append(text)
        print(f"FAILED  {text}")


def check_files():
    known = {name: metric for section in documented().values() for name, metric in section.items()}
    expect(len(known) > 50, f"docs/metrics.md documents {len(known)} metrics")
    for name, metric in known.items():
        expect((metric.type == "counter") == name.endswith("_total"), f"{name}: counters, and they alone, end in _total")
        expect(metric.type in ("counter", "gauge", "histogram"), f"{name}: type {metric.type}")
    for where, expression in [*alerts().items(), *panels()]:
        for name in metrics_of(expression, known) - {"up"}:
            expect(name in known, f"{where}: {name} is not in docs/metrics.md")
    runbooks = re.findall(r"^## (.+)$", (ROOT / "docs/runbooks.md").read_text(), re.M)
    expect(runbooks == list(alerts()), "docs/runbooks.md has one section for each alert, in their order")
    text = (ROOT / "monitoring/alerts.yaml").read_text()
    linked = re.findall(r"runbook: docs/runbooks\.md#(\w+)", text)
    expect(linked == [name.lower() for name in alerts()], "each alert links its runbook")
    for name, expression in alerts().items():
        expect(f"## {name}\n\n`{expression}`\n" in (ROOT / "docs/runbooks.md").read_text(),
               f"docs/runbooks.md shows the expression of {name} as it is")
    dashboard = json.loads((ROOT / "monitoring/dashboard.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    expect(len(ids) == len(set(ids)), "panels have ids of their own")
    for panel in dashboard["panels"]:
        expect(panel["type"] == "row" or panel.get("description"), f"panel \"{panel['title']}\" says what it shows")
    reasons = re.findall(r'X\(\d+, \w+, +"([^"]+)"\)', (ROOT / "bpf/abi/drop_reasons.h").read_text())
    for name, expression in alerts().items():
        for wanted in re.findall(r'reason=~?"([^"]+)"', expression):
            for each in wanted.split("|"):
                expect(any(re.fullmatch(each, reason) for reason in reasons), f"{name}: no drop reason is \"{each}\"")


def render(cases):
    tests = []
    for name, (fires, quiet) in cases.items():
        for series, want in ((fires, 1), (quiet, 0)):
            tests.append({
                "name": f"{name} {'fires' if want else 'is quiet'}", "interval": "1m",
                "input_series": [{"series": s, "values": v} for s, v in series.items()],
                "promql_expr_test": [{
                    "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)', "eval_time": "28m",
                    "exp_samples": [{"labels": "{}", "value": want}]}]})
    return json.dumps({"rule_files": [str(ROOT / "monitoring/alerts.yaml")], "evaluation_interval": "1m",
                       "tests": tests})


def promtool(cases):
    """What `promtool test rules` says of these cases; empty: all is right."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(render(cases))
        file.flush()
        result = subprocess.run(["promtool", "test", "rules", file.name], capture_output=True, text=True, timeout=100,
                                check=False)
        return "" if result.returncode == 0 else result.stdout + result.stderr


def check_rules():
    expect(set(CASES) == set(alerts()), f"cases for each alert: {set(CASES) ^ set(alerts())}")
    said = promtool(CASES)
    expect(not said, said)
    # The judge itself: an alert that does not fire, and one that should not, are found.
    fires, quiet = CASES["TriviumDown"]
    expect(promtool({"TriviumDown": (quiet, fires)}), "promtool takes wrong expectations for right")
    check = subprocess.run(["promtool", "check", "config", ROOT / "monitoring/prometheus.yaml"], capture_output=True,
                           text=True, timeout=60, check=False)
    expect(check.returncode == 0, check.stdout + check.stderr)


def main():
    check_files()
    have_promtool = shutil.which("promtool") is not None
    if have_promtool:
        check_rules()
    print(f"{len(alerts())} alerts, {len(panels())} queries of the dashboard, {len(failures)} failures")
    if failures:
        return 1
    if not have_promtool:
        print("SKIP: promtool is not here (scripts/setup installs it): alerts were not evaluated")
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
