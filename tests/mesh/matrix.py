"""Who reaches whom: every cell measured by a real connection attempt."""

from .say import COLOUR, green, red

OPEN_TIMEOUT = 5.0    # for a connection that should open: room for a busy machine
CLOSED_TIMEOUT = 0.7  # for one that should not: an attempt that passes answers within milliseconds


def measure(sources, destinations, expected):
    """`sources`: hosts; `destinations`: [(host, port, protocol)]; `expected(source ref, destination ref)` -> bool.
    The result: {(source ref, destination ref, port): (passed, expected)}; all attempts run side by side."""
    asked = {}
    for source in sources:
        for host, port, protocol in destinations:
            if host is source or "/" not in source.ref + host.ref:
                continue  # nobody's business: a host to itself, or two hosts outside the mesh
            want = expected(source.ref, host.ref)
            asked[source.ref, host.ref, port] = want, source.ask(
                "connect", protocol=protocol, ip=host.ip(), port=port,
                timeout=OPEN_TIMEOUT if want else CLOSED_TIMEOUT)
    cells = {}
    for key, (want, future) in asked.items():
        answer = future.result(timeout=60)
        if "error" in answer:
            raise RuntimeError(f"{key}: {answer['error']}")
        cells[key] = answer["result"] in ("open", "refused"), want
    return cells


def short(ref):
    return ref.split("/")[-1]


def show(cells, sources, destinations, say=print):
    """A table that fits a terminal: rows are sources, numbered columns destinations; wrong cells stand out."""
    number = {}
    for index, (host, _, _) in enumerate(destinations, 1):
        number.setdefault(host.ref, index)
    served = {}
    for host, port, protocol in destinations:
        served.setdefault(host.ref, []).append(f"{port}/{protocol}")
    labels = {s.ref: f"{number.get(s.ref, ''):>2} {short(s.ref)} {','.join(served.get(s.ref, []))}" for s in sources}
    width = max(map(len, labels.values())) + 1
    say("from".ljust(width) + "to " + " ".join(f"{i:>3}" for i in range(1, len(destinations) + 1)))
    for source in sources:
        row = []
        for host, port, _ in destinations:
            cell = cells.get((source.ref, host.ref, port))
            text = "." if cell is None else ("yes" if cell[0] else "-")
            if cell is not None and cell[0] != cell[1]:
                text = red(f"{text:>3}") if COLOUR else f"!{text}"
            elif cell is not None and cell[0]:
                text = green(f"{text:>3}")
            row.append(text if text.startswith("\033") else f"{text:>3}")
        say(labels[source.ref].ljust(width) + "   " + " ".join(row))


def wrong(cells):
    return [key for key, (passed, want) in cells.items() if passed != want]
