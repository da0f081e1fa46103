"""The scale harness: servers, control planes and agents on loopback, under a steady load of changes. See scripts/bench."""

import argparse
import json
import os
import random
import re
import shlex
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

from .mesh import NATS_SERVER, ROOT, wait_until
from .postgres import Postgres
from .run import Run, clean_up, sh
from .say import detail, step

# One a checkout, so that a run finds what an earlier one left, and leaves alone what others run.
FOLDER = Path("/tmp") / f"trivium-scale-{zlib.crc32(str(ROOT).encode()):08x}"
ADDRESS = "127.0.0.1"
FAR_COMMIT_MS = 30  # of a commit that survives the loss of a region
# In what `triviumctl mesh init` writes for NATS servers.
USERS = re.compile(r"    users: \[\n(.*?)    \]\n", re.S)
GATEWAY = re.compile(r'    \{name: "([^"]+)", urls:')
COLUMNS = ("name", "offered", "achieved", "p50_ms", "p99_ms", "p999_ms", "floor_p50_ms", "cpu_s_per_1000_changes_cp",
           "cpu_s_per_1000_changes_agent", "rss_mib_cp", "rss_mib_agent", "bytes_per_change")


def free_ports(count):
    """The first of so many ports in a row that nobody listens on."""
    while True:
        first = random.randrange(12000, 32000 - count)
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind((ADDRESS, port))
            return first
        except OSError:
            continue


class Bench:
    """One set of servers with `agents` agents of the first cluster, and the rows that are measured on it."""

    def __init__(self, args):
        clean_up(FOLDER)
        sh("rm", "-rf", FOLDER)
        self.args = args
        self.run = Run(FOLDER)
        self.build = Path(args.build or ROOT / "build/dev")
        self.made = FOLDER / "mesh"
        self.first_port = free_ports(10 * (args.clusters + 1))
        self.sql_port = self.first_port
        self.clusters = [f"c{i}" for i in range(1, args.clusters + 1)]
        self.events = FOLDER / "events"

    # ---- what is made ------------------------------------------------------------------------------------------

    def write_spec(self):
        clusters = []
        for number, name in enumerate(self.clusters, 1):
            ports = {role: self.first_port + 10 * number + offset for role, offset in (("hub", 0), ("edge", 5))}
            server = {role: [{"host": ADDRESS, "port": p, "cluster_port": p + 1, "gateway_port": p + 2}]
                      for role, p in ports.items()}
            # The load's endpoints stand on nodes without an agent.
            count = max(self.args.nodes, self.args.agents + 10 if number <= self.args.regions else 1)
            bits = (count - 1).bit_length()  # the cluster's /16, cut into as many networks as nodes need
            nodes = []
            for i in range(count):
                first = i << (16 - bits)
                nodes.append({
                    "name": f"n{i + 1}", "zone": f"z{i % 3}",
                    "underlay": {"device": "lo", "addresses": [f"172.16.{number}.{i + 1}" if i < 254 else
                                                               f"172.{17 + i // 65536}.{i // 256}.{i % 256}"]},
                    "pod_cidrs": [f"10.{number}.{first >> 8}.{first & 255}/{16 + bits}"],
                    "state_dir": str(FOLDER / "agents" / f"{name}-n{i + 1}"),
                    "socket": str(FOLDER / "agents" / f"{name}-n{i + 1}.sock"),
                })
            clusters.append({
                "name": name, "id": number, "region": f"r{(number - 1) % self.args.regions + 1}", "address_space": 0,
                "pod_cidrs": [f"10.{number}.0.0/16"], "nats": {"hubs": server["hub"], "edges": server["edge"]},
                "control_planes": [f"r{(number - 1) % self.args.regions + 1}-cp1"], "nodes": nodes, "operators": ["load"],
            })
        spec = {"mesh": "scale", "log_level": "warn", "metrics": {"controlplane": "off", "agent": "off"},
                "regions": [{"name": f"r{i}", "home": i} for i in range(1, self.args.regions + 1)],
                "sql": {"hosts": [f"{ADDRESS}:{self.sql_port}"], "database": "trivium"}, "clusters": clusters}
        path = FOLDER / "mesh.yaml"
        path.write_text(json.dumps(spec, indent=1))
        return path

    def start_servers(self):
        (FOLDER / "agents").mkdir()
        sh(self.build / "cli/triviumctl", "mesh", "init", "-f", self.write_spec(), "-o", self.made)
        os.mkfifo(self.events)
        if self.args.far:
            self.put_apart()
        self.postgres = Postgres(self.run, None, ADDRESS, self.sql_port, self.made / "sql")
        self.postgres.start()
        if self.args.far:
            self.postgres.sql(["ALTER SYSTEM SET commit_siblings = 0",
                               f"ALTER SYSTEM SET commit_delay = {FAR_COMMIT_MS * 1000}", "SELECT pg_reload_conf()"])
        self.share_nats()
        for name in self.leaders:
            for role in ("hub1", "edge1"):
                self.run.start(f"nats-{name}-{role}", [NATS_SERVER, "-c", self.made / "nats" / f"{name}-{role}.conf"],
                               wave=1)

    def share_nats(self):
        """`mesh init` gives each cluster NATS servers of its own. Here all clusters of a region share those of its first
        one: the users of all in its files, its addresses in everybody's."""
        self.leaders = self.clusters[:self.args.regions]
        users = {}
        for number, name in enumerate(self.clusters):
            leader = self.leaders[number % len(self.leaders)]
            for role in ("hub1", "edge1"):
                text = (self.made / "nats" / f"{name}-{role}.conf").read_text()
                users.setdefault(f"{leader}-{role}", []).append(USERS.search(text).group(1))
            if leader == name:
                continue
            for path in (self.made / "agent").glob(f"{name}-*.yaml"):
                path.write_text(self.redirect(path.read_text(), name, leader))
        contexts = self.made / "triviumctl.yaml"
        text = contexts.read_text()
        for number, name in enumerate(self.clusters):
            text = self.redirect(text, name, self.leaders[number % len(self.leaders)])
        contexts.write_text(text)
        for server, lines in users.items():
            path = self.made / "nats" / f"{server}.conf"
            conf = path.read_text()
            conf = USERS.sub(lambda found, lines=lines: found.group(0).replace(found.group(1), "".join(lines)), conf)
            # Gateways lead to regions, by the names of their first clusters.
            path.write_text("".join(line for line in conf.splitlines(keepends=True)
                                    if not (found := GATEWAY.match(line)) or found.group(1) in self.leaders))

    def put_apart(self):
        """Relays before the database and before every server's gateway; who comes from another region is sent through
        them. A round trip takes --far milliseconds."""
        routes = []
        for number in range(1, self.args.regions + 1):
            routes.append((self.first_port + number, self.sql_port))
            path = self.made / f"controlplane/r{number}-cp1.yaml"
            path.write_text(path.read_text().replace(f"{ADDRESS}:{self.sql_port}", f"{ADDRESS}:{self.first_port + number}"))
            # A hub's gateway, and an edge's: the port behind each is free.
            routes += [(self.first_port + 10 * number + offset + 1, self.first_port + 10 * number + offset)
                       for offset in (2, 7)]
        relays = dict((str(to), str(listen)) for listen, to in routes[1:] if to != self.sql_port)
        for path in (self.made / "nats").glob("*.conf"):
            own = path.stem.rsplit("-", 1)[0]
            lines = []
            for line in path.read_text().splitlines(keepends=True):
                gateway = GATEWAY.match(line)
                if line.startswith("  advertise:") or (gateway and gateway.group(1) != own):
                    for to, listen in relays.items():
                        line = line.replace(f"{ADDRESS}:{to}", f"{ADDRESS}:{listen}")
                lines.append(line)
            path.write_text("".join(lines))
        flags = [flag for listen, to in routes for flag in ("--route", f"{listen}={to}:{self.args.far / 2:g}")]
        relay = self.run.start("relays", [self.build / "bench/trivium-scale", "relay", *flags], stdout=subprocess.PIPE,
                               wave=1)
        if relay.popen.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the relays did not start: {relay.log.read_text()[-600:]}")

    def redirect(self, text, name, leader):
        for offset in (0, 5):
            old, new = (self.first_port + 10 * (self.clusters.index(c) + 1) + offset for c in (name, leader))
            text = text.replace(f"tls://{ADDRESS}:{old}", f"tls://{ADDRESS}:{new}")
        return text

    def scale(self, command, *argv):
        return [str(a) for a in (self.build / "bench/trivium-scale", command, "--mesh", self.made, *argv)]

    def floor(self):
        """The servers alone: nothing of the product runs."""
        text = wait_until("the floor's servers", self._try_floor, 30, 0.2)
        return json.loads(text)

    def _try_floor(self):
        done = subprocess.run(self.scale("floor", "--subscribers", self.args.agents, "--rounds",
                                         100 if self.args.quick else 300), capture_output=True, text=True, check=False)
        self.floor_error = done.stderr
        return done.stdout if done.returncode == 0 else None

    def start_control_planes(self):
        names = [f"r{i}-cp1" for i in range(1, self.args.regions + 1)]  # one serves all clusters of its region
        self.control_planes = [self.run.start(name, [self.build / "controlplane/trivium-controlplane", "--config",
                                                     self.made / f"controlplane/{name}.yaml"]) for name in names]

    def start_agents(self):
        argv = ["--events", self.events, "--pods", self.args.pods, *self.agent_flags()]
        if self.args.maps == "kernel":
            argv.append("--kernel")
        self.agents = self.run.start("agents", self.scale("agents", *argv), stdout=subprocess.PIPE)
        if self.agents.popen.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the agents did not start: {self.agents.log.read_text()[-600:]}")

    def agent_flags(self):
        """Those of the first cluster of each region where there is distance, else of the first cluster alone."""
        clusters = self.leaders if self.args.far else self.clusters[:1]
        return [flag for name in clusters for i in range(self.args.agents) for flag in ("--agent", f"{name}-n{i + 1}")]

    # ---- what is measured --------------------------------------------------------------------------------------

    def load(self):
        argv = ["--events", self.events, *self.agent_flags(), "--seed", self.args.seed,
                "--endpoints", self.args.endpoints, "--identities", self.args.identities,
                "--policies", self.args.policies, "--together", self.args.together]
        for process in self.control_planes:
            argv += ["--control-plane-pid", process.pid]
        for name in self.clusters:
            argv += ["--cluster", name]
        for rate in self.args.rates:
            argv += ["--row", f"{self.row_name(rate)}:{rate}:{self.args.seconds}"]
        process = self.run.start("load", self.scale("load", *argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        rows = []
        if process.popen.stdout.readline() == b"populated\n":
            self.start_agents()
            process.popen.stdin.write(f"{self.agents.pid}\n".encode())
            process.popen.stdin.flush()
        for line in process.popen.stdout:
            row = json.loads(line)
            rows.append(row)
            detail(f"{row['name']}: {row['achieved']:.0f} changes/s, p50 {row['p50_ms']:.2f} ms")
        if process.popen.wait() != 0:
            raise RuntimeError(f"the load generator failed: {process.log.read_text()[-600:]}")
        return rows

    def row_name(self, rate):
        clusters = "1 cluster" if len(self.clusters) == 1 else f"{len(self.clusters)} clusters"
        agents = "1 agent" if self.args.agents == 1 else f"{self.args.agents} agents"
        far = f", {self.args.regions} regions {self.args.far:g} ms apart" if self.args.far else ""
        return f"{clusters}, {agents}{far}, {rate:g}/s, {'single' if self.args.together == 1 else f'{self.args.together} together'}"

    def bytes_per_change(self, detail_of_row):
        """Of the messages that went out between the row's revisions."""
        ranges = " OR ".join(f"(cluster_id = {cluster} AND revision > {first} AND revision <= {last})"
                             for cluster, (first, last) in detail_of_row["revisions"].items())
        text = self.postgres.sql(f"SELECT sum(bytes), sum(changes) FROM change_log WHERE {ranges}", database="trivium")
        size, changes = text.strip().split("|")
        return float(size) / float(changes) if changes else 0.0

    def measure(self):
        step(f"{len(self.clusters)} cluster(s), {self.args.agents} agent(s), maps: {self.args.maps}")
        try:
            detail("servers")
            self.start_servers()
            detail("floor")
            before = self.floor()
            detail(f"floor: {before['floor_p50_ms']:.2f} ms (SQL {before['sql_p50_ms']:.2f}, NATS {before['nats_p50_ms']:.2f})")
            detail("control planes, agents, population, load")
            self.start_control_planes()
            rows = self.load()
            for row in rows:
                row["bytes_per_change"] = self.bytes_per_change(row["detail"])
            for process in [self.agents, *self.control_planes]:
                process.terminate()
            after = self.floor()
            floor = (before["floor_p50_ms"] + after["floor_p50_ms"]) / 2
            for row in rows:
                row["floor_p50_ms"] = floor
            return rows, {"before": before, "after": after}
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self.floor_error}") from None
        finally:
            if not self.args.keep:
                self.run.stop()


def show(rows):
    head = ("name", "offered/s", "achieved/s", "p50 ms", "p99 ms", "p99.9 ms", "floor ms", "ratio", "cpu cp", "cpu agent",
            "MiB cp", "MiB agent", "B/change")
    lines = [head]
    for row in rows:
        lines.append((row["name"], f"{row['offered']:.0f}", f"{row['achieved']:.0f}", f"{row['p50_ms']:.2f}",
                      f"{row['p99_ms']:.2f}", f"{row['p999_ms']:.2f}", f"{row['floor_p50_ms']:.2f}",
                      f"{row['p50_ms'] / row['floor_p50_ms']:.2f}", f"{row['cpu_s_per_1000_changes_cp']:.3f}",
                      f"{row['cpu_s_per_1000_changes_agent']:.3f}", f"{row['rss_mib_cp']:.0f}",
                      f"{row['rss_mib_agent']:.1f}", f"{row['bytes_per_change']:.0f}"))
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))))
    for row in rows:
        d = row["detail"]
        notes = [f"answer p50 {d['answer_p50_ms']:.2f} ms", f"{d['batches_per_s']:.0f} batches/s", f"growth {d['growth']:.2f}"]
        if len(d["p50_ms_by_agents"]) > 1:
            notes.append("p50 to the agents of " + ", ".join(f"{c} {ms:.1f} ms" for c, ms in d["p50_ms_by_agents"].items()))
        if d["failed"] or d["not_sent"]:
            notes.append(f"FAILED {d['failed']}, not sent {d['not_sent']}: {d['first_error']}")
        print(f"  {row['name']}: {', '.join(notes)}")


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench scale", description=__doc__.split(":", maxsplit=1)[0] + ".",
                                     epilog="cpu columns: seconds of processor time per 1,000 changes, of all control"
                                     " planes and of one agent. Rows whose name says 'single' send each change as a request"
                                     " of its own.")
    parser.add_argument("--clusters", type=int, default=1, metavar="N", help="clusters under load (default 1)")
    parser.add_argument("--regions", type=int, default=1, metavar="N",
                        help="clusters are spread over so many, each with its NATS servers, joined by gateways (default 1)")
    parser.add_argument("--agents", type=int, default=3, metavar="N", help="agents of the first cluster (default 3)")
    parser.add_argument("--nodes", type=int, default=100, metavar="N",
                        help="of each cluster; those without an agent are registered (default 100)")
    parser.add_argument("--far", type=float, default=0, metavar="MS",
                        help="regions MS milliseconds of round trip apart, from each other and from the database, whose"
                        f" commits take {FAR_COMMIT_MS} ms more; agents in every region (default 0: none of it)")
    parser.add_argument("--rates", default="50,100,500,1000,2000", metavar="A,B,...",
                        help="changes a second over all clusters, a row each (default 50,100,500,1000,2000)")
    parser.add_argument("--seconds", type=float, default=10, metavar="S", help="length of a row (default 10)")
    parser.add_argument("--maps", choices=("memory", "kernel"), default="memory", help="the agents' map layer (default memory)")
    parser.add_argument("--endpoints", type=int, default=1000, help="of each cluster (default 1000)")
    parser.add_argument("--identities", type=int, default=100, help="of each cluster (default 100)")
    parser.add_argument("--policies", type=int, default=20, help="of each cluster (default 20)")
    parser.add_argument("--pods", type=int, default=10, help="local pods of each agent, at most 14 (default 10)")
    parser.add_argument("--together", type=int, default=1, metavar="N",
                        help="changes of endpoints that go in one request, as a watcher sends them (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="of the load; one seed, one course (default 1)")
    parser.add_argument("--json", metavar="FILE", help="writes the rows there, too")
    parser.add_argument("--quick", action="store_true", help="two short rows and few endpoints: does it run at all?")
    parser.add_argument("--keep", action="store_true", help="leaves everything running, for a look")
    parser.add_argument("--build", metavar="FOLDER", help="the build's folder (default build/dev)")
    args = parser.parse_args()
    if args.quick:
        args.rates, args.seconds, args.endpoints, args.identities, args.policies = "20,200", 2, 60, 10, 4
        args.nodes = 2
    args.rates = [float(rate) for rate in args.rates.split(",")]
    args.regions = min(args.regions, args.clusters, 9)
    if args.agents < 1 or args.clusters < 1 or args.clusters > 250:
        parser.error("want at least one agent and 1 to 250 clusters")
    return args


def main():
    args = parse()
    started = time.time()
    rows, floors = Bench(args).measure()
    print()
    show(rows)
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"command": "scripts/bench scale " + shlex.join(sys.argv[1:]), "seed": args.seed,
                       "processors": os.cpu_count(), "took_s": round(time.time() - started), "floors": floors,
                       "rows": [{column: row[column] for column in COLUMNS} for row in rows],
                       "details": {row["name"]: row["detail"] for row in rows}}, file, indent=1)
    failed = sum(row["detail"]["failed"] + row["detail"]["not_sent"] for row in rows)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
