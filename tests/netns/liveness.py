"""Who is down, as a cluster sees it, and how soon it sees that."""

import time

from mesh.mesh import wait_until

# What dies is known to be dead within liveness_ms (5 s by default); a second more for the commands that look.
WITHIN = 6.0


def down(mesh, observer):
    """{"cluster/node"}, the node empty for a whole cluster; None: nobody answers."""
    status = mesh.status(observer)
    return {f"{d['cluster']}/{d['node']}" for d in status["down"]} if status else None


def seen(scenario, observer, what, is_down, began=None):
    """Waits until `observer` says so, and checks that a death was known in time."""
    began = began or time.monotonic()
    state = "down" if is_down else "up"
    try:
        wait_until(f"{observer} to see {what} {state}",
                   lambda: (d := down(scenario.mesh, observer)) is not None and (what in d) == is_down, 60)
    except TimeoutError as error:
        scenario.checks.expect(False, f"{error}: {down(scenario.mesh, observer)}")
        return
    took = time.monotonic() - began
    scenario.checks.expect(not is_down or took <= WITHIN, f"{observer} sees {what} {state} after {took:.1f} s")
