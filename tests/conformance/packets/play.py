"""Plays one case on the stage: its world, its actions through the product's own tools, its tables by packets."""

import json
import re
import tempfile
from pathlib import Path

from mesh.run import CommandFailed

from conformance.packets.repertoire import PLACEMENTS
from conformance.packets.wire import Attempt

NAMESPACE_KIND = re.compile(r"""\bkind["']?\s*:\s*["']?Namespace\b""")


class Unplayable(Exception):
    """Why a case cannot be played here."""


def is_policy_alone(action):
    """Leaves namespaces and pods as they are, so that the next case finds the same world."""
    if "apply" in action:
        return not NAMESPACE_KIND.search(action["apply"])
    return "delete" in action and action["delete"]["kind"].lower() not in ("namespace", "ns")


def namespace_manifest(name, labels):
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


def reversed_pairs(words):
    """-f A -f B as -f B -f A."""
    return [word for at in range(len(words) - 2, -1, -2) for word in words[at:at + 2]]


class Play:
    def __init__(self, stage, layouts):
        self.stage, self.layouts = stage, layouts
        self.built = None  # (world's key, placement) of what stands on the stage, if it is untouched
        self.namespaces = set()  # (cluster, name) made by us
        self.applied = []  # (cluster, text) that may still stand
        self.behind = set()  # clusters whose own agents nobody has waited for since policies went
        self.all_behind = False  # pods or namespaces changed: everybody's agents
        self.pods_as_made = {}  # (cluster, namespace, name): the pod as the case has it

    # ---- the world -------------------------------------------------------------------------------------------

    def node_for(self, cluster, pod):
        """Where a pod is put: where it says; else all together, or each on the next node."""
        if pod.get("node"):
            return pod["node"]
        nodes = self.layouts[cluster]
        if self.placement == PLACEMENTS[0]:
            return nodes[0]
        node = nodes[self._next.get(cluster, 0) % len(nodes)]
        self._next[cluster] = self._next.get(cluster, 0) + 1
        return node

    def build(self, case, placement):
        self.placement, self._next = placement, {}
        if self.built == (case.world_key(), placement):
            # Pods that cases create go on where the world's own ended.
            for cluster, pod in self._own_pods(case):
                self.node_for(cluster, pod)
            return
        self.tear_down()
        for cluster in case.world["clusters"]:
            manifests = [namespace_manifest(ns["name"], ns.get("labels", {})) for ns in cluster.get("namespaces", [])]
            if manifests:
                self.stage.mesh.apply(cluster["name"], "\n---\n".join(manifests))
            self.namespaces |= {(cluster["name"], ns["name"]) for ns in cluster.get("namespaces", [])}
        self.stage.set_outside(case.externals())
        self.stage.add_pods([(cluster, pod, self.node_for(cluster, pod)) for cluster, pod in self._own_pods(case)])
        self.all_behind = True
        self.built = (case.world_key(), placement)

    @staticmethod
    def _own_pods(case):
        return [(cluster["name"], pod) for cluster in case.world["clusters"] for pod in cluster.get("pods", [])]

    def remove_policies(self):
        """By the manifests that made them: one process a cluster, as each costs more than what it does."""
        texts = {}
        for cluster, text in self.applied:
            texts.setdefault(cluster, []).append(text)
        for cluster, manifests in texts.items():
            with tempfile.TemporaryDirectory() as folder:
                files = []
                for number, text in enumerate(dict.fromkeys(manifests)):
                    path = Path(folder) / f"{number}.yaml"
                    path.write_text(text)
                    files += ["-f", path]
                self.stage.mesh.ctl(cluster, "delete", "--ignore-not-found", *reversed_pairs(files))
            self.behind.add(cluster)
        self.applied = []

    def tear_down(self):
        self.built = None
        self.remove_policies()
        self.stage.remove_pods(self.stage.pods)
        for cluster, name in sorted(self.namespaces):
            if name == "default":
                self.stage.mesh.apply(cluster, namespace_manifest(name, {}))
            else:
                self.stage.mesh.ctl(cluster, "delete", "namespace", name, "--ignore-not-found")
        self.namespaces.clear()

    def forget(self):
        """After a failure: the next case finds nothing of this one."""
        self.stage.wire.end_case()
        self.tear_down()

    # ---- a case ----------------------------------------------------------------------------------------------

    def run(self, case, placement):
        """How many cells were judged, and which are wrong: {cell: text}."""
        self.build(case, placement)
        self.pods_as_made = {(cluster, pod["namespace"], pod["name"]): pod for cluster, pod in self._own_pods(case)}
        cells, wrong, flows = 0, {}, {}
        for number, step in enumerate(case.steps):
            cells += self.act(case, number, step, wrong)
            self.open_flows([step], number, flows)
            attempts = []
            for probe in step.get("probes", []):
                attempts += self.attempts(f"step {number}", probe, flows)
            self.stage.wire.judge(attempts)
            cells += len(attempts)
            for attempt in attempts:
                if attempt.wrong():
                    expected = "allowed" if attempt.expected else "denied"
                    wrong[attempt.name] = f"{attempt.name}: expected {expected}, got {attempt.seen()}"
            self.stage.wire.finish(attempts)
            self.open_flows(case.steps[number + 1:], number, flows)
        for attempt in self.stage.wire.end_case():
            wrong[attempt.name] = f"{attempt.name}: expected denied, and it came out late"
        if all(is_policy_alone(action) for step in case.steps for action in step.get("do", [])):
            self.remove_policies()
        else:
            self.tear_down()
        return cells, wrong

    def act(self, case, number, step, wrong):
        """The step's actions, until all agents have them; how many had to be refused."""
        actions = step.get("do", [])
        if step.get("refused"):
            for index, action in enumerate(actions):
                try:
                    self.stage.mesh.apply(action["cluster"], action["apply"])
                except CommandFailed as error:
                    if ": exit 1\n" not in str(error):
                        raise
                else:
                    self.applied.append((action["cluster"], action["apply"]))
                    wrong[f"step {number} do {index}"] = f"step {number}: do[{index}] was accepted and should have been refused"
            self.settle()
            return len(actions)
        # Policies are their own cluster's business: its agents alone are waited for, by the command itself.
        clusters = {action["cluster"] for action in actions}
        alone = all(is_policy_alone(action) for action in actions)
        waits = alone and len(clusters) == 1 and self.behind <= clusters and not self.all_behind
        for index, action in enumerate(actions):
            self.do(action, *(["--wait"] if waits and index == len(actions) - 1 else []))
        if waits:
            self.behind.clear()
        elif alone:
            self.behind |= clusters
        else:
            self.all_behind = True
        self.settle()
        return 0

    def settle(self):
        """Until every agent enforces everything."""
        if self.behind or self.all_behind:
            self.stage.mesh.wait_in_step()
        self.behind.clear()
        self.all_behind = False

    def do(self, action, *flags):
        mesh, cluster = self.stage.mesh, action["cluster"]
        (verb, what), = ((key, value) for key, value in action.items() if key != "cluster")
        if verb == "delete" and what["kind"] == "Namespace":
            verb = "deleteNamespace"
        if verb == "apply":
            mesh.apply(cluster, what, *flags)
            self.applied.append((cluster, what))
        elif verb == "delete":
            where = ["-n", what["namespace"]] if what.get("namespace") else []
            mesh.ctl(cluster, "delete", what["kind"], what["name"], *where, *flags)
        elif verb in ("createNamespace", "labelNamespace"):
            mesh.apply(cluster, namespace_manifest(what["name"], what.get("labels", {})))
            self.namespaces.add((cluster, what["name"]))
        elif verb == "deleteNamespace":
            self.stage.remove_pods([key for key in self.stage.pods if key[:2] == (cluster, what["name"])])
            mesh.ctl(cluster, "delete", "namespace", what["name"])
        elif verb == "createPod":
            self.stage.add_pods([(cluster, what, self.node_for(cluster, what))])
            self.pods_as_made[cluster, what["namespace"], what["name"]] = what
        elif verb == "deletePod":
            self.stage.remove_pods([(cluster, what["namespace"], what["name"])])
        elif verb == "labelPod":
            key = (cluster, what["namespace"], what["name"])
            pod = {**self.pods_as_made[key], "labels": what.get("labels", {})}
            self.stage.register(cluster, pod, self.stage.pods[key], self.stage.nodes[key])
        else:
            raise Unplayable(f"the action {verb} is not known here")

    # ---- cells -----------------------------------------------------------------------------------------------

    def host(self, ref):
        if "/" in ref:
            return self.stage.pods.get(tuple(ref.split("/")))
        return self.stage.outside.get(ref)

    def attempts(self, where, probe, flows, expect=True):
        """An attempt for each cell that is judged and whose two ends are there."""
        family, since = probe.get("family", 4), probe.get("since")
        found = []
        for i, source in enumerate(probe["order"]):
            for j, target in enumerate(probe["order"]):
                a, b = self.host(source), self.host(target)
                if probe["table"][i][j] == "." or i == j or a is None or b is None or ("/" not in source and "/" not in target):
                    continue
                ips = [next((ip for ip in place.ips if (":" in ip) == (family == 6)), None) for place in (a, b)]
                if None in ips:
                    continue
                name = f"{where}: {source} -> {target} {probe['port']}/{probe['protocol']} ipv{family}"
                flow = None
                if since is not None:
                    name += f" established since {since}"
                    flow = flows[since, source, target, probe["protocol"], probe["port"], family]
                found.append(Attempt(name, a.station, b.station, *ips, probe["protocol"], probe["port"], family,
                                     probe["table"][i][j] == "1" if expect else True, flow))
        return found

    def open_flows(self, steps, number, flows):
        """Connections that these steps ask about and that are opened after step `number`."""
        wanted = {}
        for step in steps:
            for probe in step.get("probes", []):
                if probe.get("since") != number:
                    continue
                for attempt in self.attempts("", {**probe, "since": None}, flows, expect=False):
                    source, target = attempt.name.removeprefix(": ").split(" ")[0:3:2]
                    key = (number, source, target, probe["protocol"], probe["port"], attempt.family)
                    wanted[key] = attempt
        if not wanted:
            return
        self.stage.wire.open(list(wanted.values()))
        for key, attempt in wanted.items():
            if not attempt.passed():
                raise RuntimeError(f"step {number}: {key[1]} -> {key[2]} should have opened and did not: {attempt.seen()}")
        flows.update(wanted)
