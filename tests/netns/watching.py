#!/usr/bin/env python3
"""What a running mesh shows of itself: metrics, health and readiness of real daemons against docs/metrics.md, every query
of the dashboard and every alert by a real Prometheus, and logs that carry cluster and revision. Needs root. Prints each
check; exit status 77: skipped."""

import json
import os
import re
import shutil
import signal
import sys
import urllib.parse
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mesh.mesh import ClusterSpec, wait_until  # noqa: E402
from mesh.net import PREFIX  # noqa: E402
from mesh.run import sh  # noqa: E402
from mesh.say import detail, step  # noqa: E402
from monitoring.expected import ROOT, alerts, documented, exposed, panels, values  # noqa: E402
from netns.harness import Scenario, main  # noqa: E402

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
AGENT_PORT = 9461
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error) (\S+): "
                  r"([^={}]*?)((?: [a-z][a-z0-9_]*=(?:\"[^\n]*?\"(?= [a-z]|$)|\S*))*)$")


class Watching(Scenario):
    clusters = [ClusterSpec("aws", 1, "eu-west-2", 1), ClusterSpec("gcp", 2, "europe-west2", 2, nodes=["n1"])]

    def start(self):
        step("Starting two clusters that log all and serve their metrics")
        m = self.mesh
        m.log_level = "debug"
        m.metrics = {"controlplane": "127.0.0.1:0", "agent": f"0.0.0.0:{AGENT_PORT}"}
        m.start(detail)
        m.apply("aws", NAMESPACE)
        m.add_pods([{"ref": "aws/shop/client", "node": "n1"}, {"ref": "aws/shop/server", "node": "n1"}])
        m.wait_in_step()
        self.daemons = {}
        for c in m.clusters:
            name = f"{c.name}-cp1"
            wait_until(f"{name} to serve metrics", lambda name=name: self.logged(name, "serving metrics address="))
            port = re.findall(r"serving metrics address=127\.0\.0\.1:(\d+)", m.processes[name].log.read_text())[-1]
            self.daemons[name] = f"127.0.0.1:{port}"
        for (cluster, node), number in m.node_numbers.items():
            self.daemons[f"agent-{cluster}-{node}"] = f"{PREFIX}.{number}:{AGENT_PORT}"

    def logged(self, name, text):
        return text in self.mesh.processes[name].log.read_text(errors="replace")

    def http(self, address, path, timeout=5):
        """(status, body), from inside the infra namespace; (0, why) if nobody answers."""
        script = ("import sys,urllib.request,urllib.error\n"
                  "try:\n r=urllib.request.urlopen(sys.argv[1],timeout=float(sys.argv[2]))\n"
                  "except urllib.error.HTTPError as e: r=e\n"
                  "except OSError as e: print(0); print(e); sys.exit()\n"
                  "print(r.status); sys.stdout.write(r.read().decode())")
        out = sh("nsenter", f"--net=/run/netns/{self.mesh.underlay.netns}", sys.executable, "-c", script,
                 f"http://{address}{path}", timeout, timeout=timeout + 30)
        status, _, body = out.partition("\n")
        return int(status), body

    def get(self, name, path):
        return self.http(self.daemons[name], path)

    # ---- the page ----------------------------------------------------------------------------------------------

    def page(self):
        step("docs/metrics.md and what the daemons expose")
        sections = documented()
        common = sections["Both daemons"]
        for kind, names in (("Control plane", ["aws-cp1", "gcp-cp1"]),
                            ("Agent", [n for n in self.daemons if n.startswith("agent-")])):
            want = {**common, **sections[kind]}
            for name in names:
                status, text = self.get(name, "/metrics")
                have = exposed(text)
                for metric in sorted(set(want) | set(have)):
                    if want.get(metric) != have.get(metric):
                        self.checks.expect(False, f"{name}: {metric} is {have.get(metric)}, the page says "
                                                  f"{want.get(metric)}")
                self.checks.expect(status == 200 and set(want) == set(have),
                                   f"{name} exposes the {len(want)} metrics that the page explains")
                self.lint(name, text)

    def lint(self, name, text):
        if shutil.which("promtool"):
            said = sh("promtool", "check", "metrics", input=text, check=False)
            self.checks.expect(not said, f"promtool finds no fault with the names of {name}{': ' if said else ''}{said}")

    def figures(self):
        step("A few figures that are known")
        # A page shows what was collected within the last second: that of the pods' start comes a moment later.
        try:
            wait_until("the figures to be collected", lambda: all(ok for ok, _ in self.known()), 15, 0.3)
        except TimeoutError:
            pass  # the checks below say which
        for ok, what in self.known():
            self.checks.expect(ok, what)

    def known(self):
        """[(whether it is so, what)]; what a page does not have yet is not so."""
        agent, plane = (defaultdict(lambda: -1, values(self.get(name, "/metrics")[1])) for name in ("agent-aws-n1", "aws-cp1"))
        head = plane['trivium_controlplane_mirror_revision{cluster="aws"}']
        return [
            (agent['trivium_agent_endpoints{state="ready"}'] == 2, "aws/n1 has two pods that are ready"),
            (agent['trivium_agent_revisions_behind{cluster="aws"}'] == 0, "and is behind nothing"),
            (agent['trivium_agent_change_lag_seconds_count'] > 0, "changes' lag was measured"),
            (plane['trivium_controlplane_agents{cluster="aws"}'] == 2, "aws-cp1 hears two agents"),
            (plane['trivium_controlplane_commits_total{cluster="aws"}'] ==
             plane['trivium_controlplane_commit_seconds_count{cluster="aws"}'] > 0, "each commit's time was measured"),
            (agent['trivium_agent_enforced_revision{cluster="aws"}'] == head > 0,
             "the agent enforces what the control plane holds"),
        ]

    # ---- health ------------------------------------------------------------------------------------------------

    def ready(self, name, want, because="", timeout=60):
        def as_wanted():
            status, body = self.get(name, "/readyz")
            return (status == 200) == want and because in body
        try:
            wait_until(f"{name} to be {'ready' if want else 'not ready'}", as_wanted, timeout, 0.3)
            self.checks.expect(True, f"{name} is {'ready' if want else 'not ready'}"
                                     f"{': ' + self.get(name, '/readyz')[1].splitlines()[0] if not want else ''}")
        except TimeoutError as error:
            self.checks.expect(False, f"{error}: {self.get(name, '/readyz')}")

    def health(self):
        step("Health and readiness, with servers stopped")
        m = self.mesh
        for name in self.daemons:
            self.ready(name, True)
            self.checks.expect(self.get(name, "/healthz") == (200, "ok\n"), f"{name} is healthy")
        database = m.postgres.process
        pids = [database.pid, *map(int, sh("pgrep", "-P", database.pid, check=False).split())]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        self.ready("aws-cp1", False, "SQL")
        self.ready("agent-aws-n1", True)
        self.alert("TriviumSqlUnreachable", True)
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
        self.ready("aws-cp1", True)
        servers = [p for name, p in m.processes.items() if name.startswith("nats-aws")]
        for server in servers:
            os.kill(server.pid, signal.SIGSTOP)
        self.ready("aws-cp1", False, "NATS")
        self.alert("TriviumNatsDisconnected", True)
        self.ready("agent-aws-n1", True)
        m.agent("aws", "n1").kill()
        self.alert("TriviumDown", True)
        m.start_agent("aws", "n1")  # cut off, and enforcing from its copy
        self.ready("agent-aws-n1", True)
        for server in servers:
            os.kill(server.pid, signal.SIGCONT)
        for name in self.daemons:
            self.ready(name, True)
        m.wait_in_step()

    # ---- Prometheus --------------------------------------------------------------------------------------------

    def start_prometheus(self):
        self.prometheus = None
        if not shutil.which("prometheus"):
            return
        step("Starting Prometheus")
        folder = self.mesh.run.folder / "prometheus"
        folder.mkdir()
        shutil.copy(ROOT / "monitoring/alerts.yaml", folder)
        config = (ROOT / "monitoring/prometheus.yaml").read_text().replace("15s", "1s")
        for job, example, want in (("controlplane", "127.0.0.1:9460", lambda n: not n.startswith("agent-")),
                                   ("agent", "127.0.0.1:9461", lambda n: n.startswith("agent-"))):
            self.checks.expect(example in config, f"monitoring/prometheus.yaml shows where trivium-{job} is")
            config = config.replace(f'["{example}"]', json.dumps([a for n, a in self.daemons.items() if want(n)]))
        (folder / "prometheus.yaml").write_text(config)
        self.prometheus = "127.0.0.1:9090"
        self.mesh.run.start("prometheus", ["prometheus", f"--config.file={folder}/prometheus.yaml",
                                           f"--storage.tsdb.path={folder}/data",
                                           f"--web.listen-address={self.prometheus}"], netns=self.mesh.underlay.netns)
        wait_until("Prometheus to see every daemon", lambda: len(self.query("up == 1")) == len(self.daemons), 60, 0.5)
        # rate() needs samples of some seconds.
        wait_until("half a minute of samples",
                   lambda: self.query("count_over_time(up[1m]) >= 20"), 90, 1)

    def query(self, expression):
        status, body = self.http(self.prometheus, "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        if status in (0, 503):  # it is starting
            return []
        answer = json.loads(body)
        if answer["status"] != "success":
            raise RuntimeError(f"{expression}: {answer.get('error')}")
        return answer["data"]["result"]

    def alert(self, name, active):
        if self.prometheus is None:
            return
        try:
            wait_until(f"{name} to be {'active' if active else 'quiet'}",
                       lambda: bool(self.query(f'ALERTS{{alertname="{name}"}}')) == active, 60, 0.5)
            self.checks.expect(True, f"alert {name} is {'active' if active else 'quiet'}")
        except TimeoutError as error:
            self.checks.expect(False, str(error))

    def queries(self):
        if self.prometheus is None:
            detail("Prometheus is not here (scripts/setup installs it): queries and alerts are not run")
            return
        step("Every query of the dashboard, and every alert")
        for title, expression in panels():
            expression = expression.replace("$__rate_interval", "30s").replace("$cluster", ".*")
            found = self.query(expression)
            self.checks.expect(bool(found), f"\"{title}\" shows {len(found)} series")
        rules = json.loads(self.http(self.prometheus, "/api/v1/rules")[1])["data"]["groups"][0]["rules"]
        self.checks.expect([r["name"] for r in rules] == list(alerts()), "Prometheus has all alerts")
        for rule in rules:
            self.checks.expect(rule["health"] == "ok" and not rule["alerts"],
                               f"alert {rule['name']} is quiet{rule.get('lastError', '')}{rule['alerts'] or ''}")
            # An alert on a metric that nobody has would be quiet too.
            for selector in re.findall(r"\b(?:trivium_[a-z_]+|process_[a-z_]+|up)\b(?:\{[^}]*\})?", rule["query"]):
                self.checks.expect(bool(self.query(selector)), f"alert {rule['name']}: there is {selector}")

    # ---- logs --------------------------------------------------------------------------------------------------

    def logs(self):
        step("Logs")
        for name in self.daemons:
            lines = self.mesh.processes[name].log.read_text(errors="replace").splitlines()
            odd = [line for line in lines if not LINE.match(line)]
            self.checks.expect(lines and not odd, f"{name}: {len(lines)} lines in the form{odd[:3] or ''}")
        # A change of now: what came while servers were stopped may have reached an agent in a snapshot.
        self.mesh.apply("aws", NAMESPACE.replace("name: shop", "name: shop, labels: {seen: now}"))
        self.mesh.wait_in_step()
        text = self.mesh.processes["aws-cp1"].log.read_text()
        revision = re.findall(r"committed cluster=aws epoch=\d+ revision=(\d+) ", text)[-1]
        self.checks.expect(True, f"aws-cp1 says that it committed revision {revision}")
        for name in ("agent-aws-n2", "agent-gcp-n1"):
            for event in ("applied", "enforced"):
                self.checks.expect(bool(re.search(rf" {event} cluster=aws epoch=\d+ revision={revision}\b",
                                                  self.mesh.processes[name].log.read_text())),
                                   f"{name} says that it {event} it")

    def run(self):
        self.start()
        self.page()
        self.figures()
        self.start_prometheus()
        self.queries()
        self.health()
        self.logs()


if __name__ == "__main__":
    sys.exit(main(Watching, __doc__))
