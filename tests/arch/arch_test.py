#!/usr/bin/env python3
"""Rules of the house that a program can check. Run by ctest; prints every breach as file:line: rule.

Each rule is tested on itself at the end: a breach made up for it must be found."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# A room may include itself and what stands to the right of it.
MAY_INCLUDE = {
    "base": [],
    "schema": ["base"],
    "replica": ["base", "schema"],
    "policy": ["base", "schema"],
    "bus": ["base", "schema"],
    "bpf": [],
    "metrics": ["base", "bus"],
    "controlplane": ["base", "schema", "replica", "policy", "bus", "metrics"],
    "nodeagent": ["base", "schema", "replica", "policy", "bus", "bpf", "metrics"],
    "cli": ["base", "schema", "policy", "bus"],
}

# Inside the agent: pure rooms, and the other rooms of the agent that they may include. They work on maps through
# reconcile/'s MapIo, which knows no kernel either.
PURE = {
    "nodeagent/desired": ["nodeagent/compile/", "nodeagent/delta/", "nodeagent/reconcile/"],
    "nodeagent/compile": ["nodeagent/delta/", "nodeagent/desired/", "nodeagent/reconcile/"],
    "nodeagent/delta": ["nodeagent/reconcile/map_io.h"],
    "nodeagent/reconcile": ["nodeagent/compile/", "nodeagent/delta/", "nodeagent/desired/"],
}
PURE_NEVER = ("bus/", "nodeagent/kernel/", "controlplane/")

# A third-party C API is included in one room only; tests and benchmarks may compare with the bare thing, and examples are
# what people write who have nothing but it.
ONE_ROOM = {
    r"(nats/)?nats\.h": "bus/",
    r"(postgresql/)?libpq-fe\.h": "controlplane/db/",
    r"bpf/(libbpf|bpf)\.h": "nodeagent/kernel/",
    r"libmnl/.*": "nodeagent/kernel/",
    r"linux/(rt)?netlink\.h": "nodeagent/kernel/",
    r"openssl/.*": "cli/mesh/",
    r"zstd\.h": "schema/",
    r"prometheus/.*": "metrics/",
    r"xxhash\.h": ("schema/", "controlplane/migrate/"),
    r"yaml-cpp/.*": ("policy/", "base/", "cli/", "controlplane/", "nodeagent/"),
}

# Threads, sleeps, clocks and random numbers: the product gets them as interfaces from base/. These alone reach for them,
# each for its reason; an entry without such a call is a breach too.
DRIVERS = {
    "base/clock.cc": "is the clock",
    "base/executor.cc": "is the executor",
    "bus/nats_link.cc": "replaces nats.c connections, which blocks, on a thread of its own",
    "controlplane/db/sql_pool.cc": "waits for libpq on threads of its own",
    "controlplane/db/sql_pool.h": "owns those threads",
    "metrics/http_server.cc": "waits for scrapers on a thread of its own",
    "nodeagent/endpoint/socket_server.cc": "waits for callers of the Unix socket on a thread of its own",
}
DRIVER_CALL = re.compile(
    r"std::thread\b|std::this_thread|\bsleep\(|\busleep\(|\bnanosleep\(|sleep_for|sleep_until|absl::SleepFor"
    r"|absl::Now\(|std::chrono::\w+_clock|std::rand\(|\brand\(\)|std::random_device|\btime\(nullptr\)")
# A log message is the same words each time, then key=value pairs (base/log.h).
LOG_CALL = re.compile(r'spdlog::(?:trace|debug|info|warn|error)\(((?:\s*"(?:[^"\\]|\\.)*")+|\s*[^)\s])')
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
LOG_MESSAGE = re.compile(r'[^={}]*(?: [a-z][a-z0-9_]*=(?:\{\}(?:/\{\})?|"\{\}"))*')
PRODUCT = ("base", "schema", "replica", "policy", "bus", "metrics", "controlplane", "nodeagent", "cli")

MAX_LINES = 600
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
# Hosts of package registries; written apart, so that this file does not name them either.
REGISTRIES = re.compile("|".join(
    re.escape(a + b) for a, b in [("pypi.", "org"), ("registry.npmjs.", "org"), ("proxy.golang.", "org"),
                                  ("crates.", "io/api"), ("deb.debian.", "org"), ("repo.maven.", "apache.org")]))


def check_file(path, text):
    """Breaches in one file; `path` is relative to the root."""
    name = path.as_posix()
    room = path.parts[0]
    source = path.suffix in (".h", ".cc", ".c")
    test = name.endswith("_test.cc") or room in ("tests", "bench", "examples") or "/test_" in name
    found = []
    driver_calls = 0
    lines = text.splitlines()
    if source or path.suffix in (".py", ".proto", ".sh"):
        if len(lines) > MAX_LINES and "size:" not in text:
            found.append((1, f"{len(lines)} lines; split it, or say why not in a comment with \"size:\""))
    for number, line in enumerate(lines, 1):
        if REGISTRIES.search(line):
            found.append((number, "names a package registry's host"))
        if not source:
            continue
        include = INCLUDE.match(line)
        if include:
            header = include.group(2)
            found += [(number, breach) for breach in check_include(name, room, header, test)]
        elif room in PRODUCT and not test and DRIVER_CALL.search(line.split("//")[0]):
            driver_calls += 1
            if name not in DRIVERS:
                found.append((number, "threads, sleeps, clocks and random numbers come through base/; what cannot is "
                                      "listed in tests/arch with its reason"))
    if source and room in PRODUCT and not test:
        for call in LOG_CALL.finditer(text):
            words = "".join(LITERAL.findall(call.group(1))).replace('\\"', '"')
            if not call.group(1).strip().startswith('"') or not LOG_MESSAGE.fullmatch(words):
                found.append((text.count("\n", 0, call.start()) + 1,
                              "a log message is words, then key={} or key=\"{}\" pairs (base/log.h)"))
    if name in DRIVERS and driver_calls == 0:
        found.append((1, "is listed as a driver in tests/arch, and is none"))
    return found


def check_include(name, room, header, test):
    for pattern, home in ONE_ROOM.items():
        if re.fullmatch(pattern, header) and not test and room != "bpf" and not name.startswith(home):
            yield f"<{header}> belongs to {home} alone"
    target = header.split("/")[0]
    if room in MAY_INCLUDE and not test and target in MAY_INCLUDE and target != room:
        if target not in MAY_INCLUDE[room]:
            yield f"{room}/ must not include {target}/"
    for pure, allowed in PURE.items():
        if name.startswith(pure + "/") and not test:
            if header.startswith(PURE_NEVER):
                yield f"{pure}/ is pure and must not include {header}"
            if header.startswith("nodeagent/") and not header.startswith(pure) \
                    and not any(header.startswith(a) for a in allowed):
                yield f"{pure}/ is pure and must not include {header}"


def tracked():
    out = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=False).stdout
    if out:
        return [Path(p) for p in out.split("\0") if p]
    skip = {"build", ".git"}  # a source tree without git
    return [p.relative_to(ROOT) for p in ROOT.rglob("*") if p.is_file() and p.relative_to(ROOT).parts[0] not in skip]


def self_test():
    breaches = [
        ("controlplane/x.cc", '#include "nodeagent/app.h"'),
        ("policy/x.h", '#include "bus/bus.h"'),
        ("cli/x.cc", "#include <nats/nats.h>"),
        ("nodeagent/app.cc", "#include <bpf/libbpf.h>"),
        ("nodeagent/compile/x.cc", '#include "bus/bus.h"'),
        ("nodeagent/delta/x.cc", '#include "nodeagent/inbox/inbox.h"'),
        ("bus/x.cc", "  std::this_thread::yield();"),
        ("bus/nats_link.cc", "int no_thread_here;"),
        ("replica/x.cc", "int x;\n" * (MAX_LINES + 1)),
        ("bus/x.cc", 'spdlog::info("took {} of cluster={}", 1, 2);'),
        ("bus/x.cc", 'spdlog::warn(text);'),
        ("bus/x.cc", 'spdlog::warn("no {}: "\n  "error=\\"{}\\"", a, b);'),
        ("docs/x.md", "pip install from pypi." + "org"),
    ]
    missed = [(name, text[:40]) for name, text in breaches if not check_file(Path(name), text)]
    clean = [
        ("nodeagent/kernel/x.cc", "#include <bpf/libbpf.h>"),
        ("bus/x_test.cc", "std::thread t;"),
        ("controlplane/db/sql_pool.cc", "std::thread t;"),
        ("bus/x.cc", 'spdlog::warn("none is left, "\n  "why: error=\\"{}\\" at={}/{}", a, b, c);'),
        ("bus/x.cc", 'spdlog::info("the bus is gone");'),
        ("bench/floor.cc", "#include <libpq-fe.h>"),
        ("examples/events/x.cc", "#include <nats.h>"),
    ]
    wronged = [(name, check_file(Path(name), text)) for name, text in clean if check_file(Path(name), text)]
    return missed, wronged


def main():
    missed, wronged = self_test()
    for name, text in missed:
        print(f"the checker misses a breach: {name}: {text!r}")
    for name, found in wronged:
        print(f"the checker cries wolf: {name}: {found}")
    count = 0
    files = tracked()
    for path in files:
        full = ROOT / path
        if not full.is_file():
            continue
        try:
            text = full.read_text()
        except UnicodeDecodeError:
            continue
        for line, breach in check_file(path, text):
            print(f"{path}:{line}: {breach}")
            count += 1
    print(f"{len(files)} files, {count} breaches")
    return 1 if count or missed or wronged else 0


if __name__ == "__main__":
    sys.exit(main())
