"""What goes wrong, when and for how long: drawn from a seed alone, so that a seed names a schedule."""

import random
from dataclasses import dataclass

SECONDS = 10.0  # in which faults begin


@dataclass(frozen=True)
class Fault:
    at: float       # seconds from the start
    kind: str       # a key of KINDS
    target: str     # an instance, "cluster/node", a NATS server, "a|b" for two clouds, "postgres"
    length: float   # seconds until it is mended; 0: it mends itself

    def __str__(self):
        lasting = f" for {self.length:.1f} s" if self.length else ""
        return f"{self.at:5.1f} s  {self.kind} {self.target}{lasting}"


# kind: (weight, whose targets, shortest, longest)
KINDS = {
    "kill control plane": (4, "control planes", 0.1, 4),
    "stop control plane": (3, "control planes", 1, 20),
    "kill agent": (4, "agents", 0.1, 4),
    "stop agent": (2, "agents", 1, 20),
    "kill NATS server": (3, "NATS servers", 0.1, 3),
    "stop NATS server": (2, "NATS servers", 1, 12),
    "cut gateways": (3, "links", 0.2, 5),
    "black-hole gateways": (3, "links", 1, 10),
    "cut database connection": (2, "control planes", 0.1, 4),
    "black-hole database connection": (2, "control planes", 1, 8),
    "cut before COMMIT": (4, "control planes", 0, 0),
    "cut after COMMIT": (4, "control planes", 0, 0),
    "restart database": (1, "database", 0.2, 3),
}


def draw(seed, targets):
    """`targets`: {whose: [name]}. A target has one fault at a time; faults are in order of time."""
    rng = random.Random(f"trivium schedule {seed}")
    kinds, weights = list(KINDS), [KINDS[k][0] for k in KINDS]
    busy_until, faults = {}, []
    for at in sorted(rng.uniform(0, SECONDS) for _ in range(rng.randint(6, 12))):
        kind = rng.choices(kinds, weights)[0]
        _, whose, shortest, longest = KINDS[kind]
        target = rng.choice(targets[whose])
        # Short faults are as likely as long ones: each finds other things.
        length = shortest * (longest / shortest) ** rng.random() if longest else 0.0
        if busy_until.get(target, -1.0) >= at:
            continue
        busy_until[target] = at + length
        faults.append(Fault(round(at, 2), kind, target, round(length, 2)))
    return faults
