"""What must hold after a schedule, and what packets must have met while it ran."""

from mesh.matrix import CLOSED_TIMEOUT, OPEN_TIMEOUT

from .workload import NAMESPACES, SERVER_POLICY

PORT = 8080
SILENCE = 3.0        # seconds: longer than a packet may wait on a machine that runs forty processes on two processors
MEMORY_MIB = 400     # of any daemon

# Holds for every cluster: each batch follows the one before it, up to the head.
CHAIN = """
SELECT r.name || ' revision ' || l.revision
FROM change_log l
JOIN cluster_rev r ON r.home = l.home AND r.cluster_id = l.cluster_id
LEFT JOIN change_log p ON p.home = l.home AND p.cluster_id = l.cluster_id AND p.revision = l.revision - 1
WHERE (l.revision > r.log_floor + 1 AND (p.batch IS NULL OR p.batch <> l.prev_batch))
   OR l.revision > r.revision OR (l.revision = r.revision AND l.batch <> r.last_batch)
"""
HEADS = """
SELECT r.name FROM cluster_rev r
WHERE r.revision > 0 AND NOT EXISTS (SELECT 1 FROM change_log l WHERE l.home = r.home
  AND l.cluster_id = r.cluster_id AND l.revision = r.revision)
"""
TWICE = """
SELECT kind || ' ' || key || ' by request ' || request_id || ', ' || count(*) || ' times'
FROM audit GROUP BY request_id, actor, kind, key HAVING count(*) > 1
"""
REFERENCES = "SELECT count(*) FROM admin_identity_audit"


class Traffic:
    """Connections that the policies allow all the time and never may break, and attempts that they deny all the time."""

    def __init__(self, mesh):
        self.mesh = mesh
        names = [c.name for c in mesh.clusters]
        self.flows = [(f"{a}/app/client", f"{b}/app/server") for a in names for b in names]
        self.denied = [(f"{a}/app/stranger", f"{b}/app/server") for a in names for b in names]

    def make(self):
        m = self.mesh
        pods = []
        for c in m.clusters:
            m.apply(c.name, NAMESPACES)
            pods += [{"ref": f"{c.name}/app/{name}", "node": node, "ports": ports} for name, node, ports in [
                ("server", "n1", [("http", PORT, "tcp")]), ("client", "n2", []), ("stranger", "n1", []),
                ("mover", "n2", [])]]
        m.add_pods(pods)
        for c in m.clusters:
            m.apply(c.name, SERVER_POLICY, "--wait")
        m.wait_in_step()

    def _tell(self, pair, do, **arguments):
        source, destination = pair
        return self.mesh.host(source).tell(do, name=f"{do.split('-')[0]} {destination}", **arguments)

    def start(self):
        for pair in self.flows:
            ip = self.mesh.host(pair[1]).ip()
            self._tell(pair, "flow", protocol="tcp", ip=ip, port=PORT, interval=0.05, timeout=OPEN_TIMEOUT)
        for pair in self.denied:
            ip = self.mesh.host(pair[1]).ip()
            self._tell(pair, "attempts", protocol="tcp", ip=ip, port=PORT, interval=0.05, timeout=0.2)

    def stop(self):
        """(problems, one line for people)"""
        problems, silence, tried = [], 0.0, 0
        for pair in self.flows:
            report = self._tell(pair, "flow-report", stop=True)
            silence = max(silence, report["longest_gap"])
            if report["broken"] or report["longest_gap"] > SILENCE or report["answered"] < 2:
                problems.append(f"the allowed flow {' -> '.join(pair)} did not run on: {report}")
        for pair in self.denied:
            report = self._tell(pair, "attempts-report", stop=True)
            tried += report["tried"]
            if report["passed"] or not report["tried"]:
                problems.append(f"denied {' -> '.join(pair)}: {report}")
        return problems, f"{len(self.flows)} flows, longest silence {silence * 1000:.0f} ms; {tried} denied attempts"

    def reaches(self, source, destination, want):
        answer = self.mesh.host(source).tell("connect", protocol="tcp", ip=self.mesh.host(destination).ip(), port=PORT,
                                             timeout=OPEN_TIMEOUT if want else CLOSED_TIMEOUT)
        return answer["result"] in ("open", "refused")


def _lines(mesh, sql):
    return [line for line in mesh.postgres.sql(sql, "trivium").splitlines() if line]


def check_log(mesh):
    problems = [f"the log has a hole or a fork at {where}" for where in _lines(mesh, CHAIN)]
    problems += [f"{name}: the head's batch is not in the log" for name in _lines(mesh, HEADS)]
    problems += [f"applied twice: {what}" for what in _lines(mesh, TWICE)]
    if _lines(mesh, REFERENCES) != ["0"]:
        problems.append("identities' references are not what a count finds (admin_identity_audit)")
    return problems


def check_agents(mesh):
    problems = []
    for cluster, node in mesh.node_numbers:
        state = mesh.agent_state(cluster, node, "--audit")
        if state.get("audit"):
            problems.append(f"{cluster}/{node}: maps are not what the mirror says: {state['audit'][:5]}")
    return problems


def check_processes(mesh):
    problems = []
    for name, process in mesh.processes.items():
        if not process.alive():
            problems.append(f"{name} has ended by itself; its log: {process.log}")
            continue
        with open(f"/proc/{process.pid}/status") as status:
            kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
        if kib / 1024 > MEMORY_MIB:
            problems.append(f"{name} holds {kib / 1024:.0f} MiB")
    return problems


def check_moved(traffic, workload):
    problems = []
    for mover in workload.movers:
        server = f"{mover.ref.split('/')[0]}/app/server"
        if traffic.reaches(mover.ref, server, mover.is_client) != mover.is_client:
            problems.append(f"{mover.ref} is {'a client' if mover.is_client else 'a stranger'}, and "
                            f"{'does not reach' if mover.is_client else 'reaches'} {server}")
    return problems
