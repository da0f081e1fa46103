"""One run of the harness: its folder, its processes and its namespaces, all written down before they are made, so that
a later run (or this one) can remove them even after a kill -9."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path


class CommandFailed(RuntimeError):
    pass


def sh(*argv, check=True, input=None, timeout=60):
    """Runs a command; its output on success, CommandFailed with everything it said otherwise."""
    result = subprocess.run([str(a) for a in argv], input=input, capture_output=True, text=True, timeout=timeout)
    if check and result.returncode != 0:
        raise CommandFailed(f"{' '.join(map(str, argv))}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def _start_time(pid):
    """The kernel's start time of a process: with the pid, its identity. None if it has ended, reaped or not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        fields = stat[stat.rindex(")") + 2:].split()
        return None if fields[0] == "Z" else fields[19]
    except (FileNotFoundError, ProcessLookupError):
        return None


class Process:
    """A child with a log file, known by pid and start time."""

    def __init__(self, name, popen, log):
        self.name, self.popen, self.log = name, popen, log

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def terminate(self, timeout=10):
        """SIGTERM, then SIGKILL at the time-out; the exit status."""
        if self.alive():
            self.popen.terminate()
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()


class Run:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._ledger = self.folder / "made.jsonl"
        self.processes = []

    # ---- the ledger -----------------------------------------------------------------------------------------

    def _note(self, kind, **what):
        with open(self._ledger, "a") as f:
            f.write(json.dumps({"kind": kind, **what}) + "\n")
            f.flush()

    def add_namespace(self, name):
        self._note("netns", name=name)
        sh("ip", "netns", "add", name)
        sh("ip", "-n", name, "link", "set", "lo", "up")

    def del_namespace(self, name):
        sh("ip", "netns", "del", name, check=False)

    def add_pins(self, path):
        self._note("pins", path=str(path))

    def start(self, name, argv, netns=None, user=None, env=None, stdin=subprocess.DEVNULL, stdout=None, wave=0,
              stop=signal.SIGTERM):
        """Starts a process; its stderr (and stdout unless given) goes to logs/<name>.log. At the end, processes of a
        lower wave are gone before the next one is asked to go, by signal `stop`: servers outlive their clients."""
        prefix = []
        if netns:
            prefix += ["nsenter", f"--net=/run/netns/{netns}"]
        if user:
            prefix += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        log = logs / f"{name}.log"
        with open(log, "a") as sink:
            popen = subprocess.Popen([*prefix, *map(str, argv)], stdin=stdin, stdout=stdout or sink, stderr=sink,
                                     env={**os.environ, **(env or {})}, start_new_session=True)
        self._note("pid", pid=popen.pid, start=_start_time(popen.pid), name=name, wave=wave, stop=int(stop))
        process = Process(name, popen, log)
        self.processes.append(process)
        return process

    # ---- the end ----------------------------------------------------------------------------------------------

    def stop(self):
        """Ends every process of this run and removes what it made; safe to call twice."""
        clean_up(self.folder)
        for process in self.processes:
            process.popen.wait()
        self.processes.clear()


def _signal(entries, number):
    for entry in entries:
        if _start_time(entry["pid"]) == entry["start"]:
            try:
                os.kill(entry["pid"], entry["stop"] if number is None else number)
            except ProcessLookupError:
                pass


def _end(entries):
    """Asks processes to end, insists after five seconds, returns when all are gone."""
    _signal(entries, None)
    deadline = time.monotonic() + 5
    while any(_start_time(e["pid"]) == e["start"] for e in entries):
        if time.monotonic() > deadline:
            _signal(entries, signal.SIGKILL)
            deadline = time.monotonic() + 5
        time.sleep(0.02)


def clean_up(folder):
    """Removes what a run in `folder` wrote down, whoever made it: processes by pid and start time, namespaces, pins."""
    ledger = Path(folder) / "made.jsonl"
    if not ledger.exists():
        return
    entries = [json.loads(line) for line in ledger.read_text().splitlines() if line.endswith("}")]
    ours = [e for e in entries if e["kind"] == "pid" and e["start"] and _start_time(e["pid"]) == e["start"]]
    for wave in sorted({e["wave"] for e in ours}):
        _end([e for e in ours if e["wave"] == wave])
    for entry in reversed(entries):
        if entry["kind"] == "netns":
            sh("ip", "netns", "del", entry["name"], check=False)
        elif entry["kind"] == "pins" and entry["path"].startswith("/sys/fs/bpf/"):
            shutil.rmtree(entry["path"], ignore_errors=True)
    ledger.unlink()
