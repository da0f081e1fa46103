"""What docs/metrics.md, alerts and dashboard name, read from their files."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
METRIC = re.compile(r"\b(?:trivium|process)_[a-z0-9_]+\b(?!\s*=)")
HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")


@dataclass(frozen=True)
class Metric:
    type: str
    labels: frozenset


def documented():
    """By name; the section of docs/metrics.md says who exposes it."""
    sections, section = {}, None
    for line in (ROOT / "docs/metrics.md").read_text().splitlines():
        if line.startswith("## "):
            section = sections.setdefault(line[3:], {})
        row = re.match(r"\| `([a-z0-9_]+)` \| (\w+) \| ([^|]*)\|", line)
        if row and section is not None and row.group(1).startswith(("trivium_", "process_")):
            labels = frozenset(re.findall(r"`(\w+)`", row.group(3)))
            section[row.group(1)] = Metric(row.group(2), labels)
    return sections


def exposed(text):
    """Metrics and label names in the text format."""
    types, labels = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            types[name] = kind
        elif line and not line.startswith("#"):
            name = re.match(r"[a-zA-Z0-9_]+", line).group()
            if name not in types:
                name = next(name[:-len(part)] for part in HISTOGRAM_PARTS if name.endswith(part))
            found = re.findall(r'(\w+)="', line[:line.rindex("}")] if "}" in line else "")
            labels.setdefault(name, set()).update(l for l in found if l != "le")
    return {name: Metric(kind, frozenset(labels.get(name, ()))) for name, kind in types.items()}


def values(text):
    """{(name, labels as written): value} of the text format."""
    out = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            out[series] = float(value)
    return out


def alerts():
    """{name: expression}."""
    text = (ROOT / "monitoring/alerts.yaml").read_text()
    return dict(re.findall(r"- alert: (\w+)\n\s+expr: (.+)", text))


def panels():
    """[(title, expression)] of the dashboard."""
    dashboard = json.loads((ROOT / "monitoring/dashboard.json").read_text())
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]


def metrics_of(expression, known):
    """Names of metrics in an expression, as the page has them."""
    names = set()
    for name in METRIC.findall(re.sub(r'"[^"]*"', '""', expression)):
        part = next((p for p in HISTOGRAM_PARTS if name.endswith(p) and name not in known), "")
        names.add(name[:len(name) - len(part)])
    return names
