"""Every metric that can be asked for, by status: writes docs/metric_table.md.

python docs/metric_table.py
"""

from __future__ import annotations

from pathlib import Path

from harness.metrics.base import Metric, Status, is_paired
from harness.registry import Kind, find, installed, names

STATUSES: tuple[Status, ...] = ("exact", "stand-in", "needs a file", "adapter")
NETWORKS: dict[Kind, str] = {"extractors": "networks of videos", "frame_extractors": "networks of frames"}
PAGE = Path(__file__).with_name("metric_table.md")


def table() -> str:
    """The page: a row for each metric, or for each family with its networks by status."""
    members: dict[str, dict[Status, list[str]]] = {}
    about: dict[str, Metric] = {}
    for name in names("metrics"):
        metric: Metric = find("metrics", name).load()()
        base, _, inside = name.partition("[")
        members.setdefault(base, {}).setdefault(metric.status, []).append(inside.removesuffix("]"))
        about.setdefault(base, metric)
    given = {
        kind: [name for name in installed(kind) if find(kind, name).load().status == "needs a file"]
        for kind in NETWORKS
    }
    lines = [
        "# Every metric by status",
        "",
        f"{len(names('metrics'))} metrics of {len(members)} kinds, written by `python docs/metric_table.py`.",
        "[metrics.md](metrics.md) says what each is and cannot see, and what the statuses mean. What stands in a cell",
        "is the network, which belongs to the name in brackets: `fvd[transnetv2]`.",
        "",
        f"| metric | unit | better | beside the videos | {' | '.join(STATUSES)} |",
        f"|---|---|---|---|{'---|' * len(STATUSES)}",
    ]
    for base, metric in sorted(about.items()):
        cells = [_cell(members[base].get(status, []), given) for status in STATUSES]
        lines.append(f"| `{base}` | {metric.unit} | {_better(metric)} | {_needs(metric)} | {' | '.join(cells)} |")
    lines += ["", *(f"All {NETWORKS[kind]} by file: {_cell(found, {})}.\n" for kind, found in given.items())]
    return "\n".join(lines)


def _cell(networks: list[str], given: dict[Kind, list[str]]) -> str:
    for kind, known in given.items():
        if networks == known:
            return f"all {NETWORKS[kind]} by file"
    return ", ".join(f"`{name}`" if name else "yes" for name in networks)


def _better(metric: Metric) -> str:
    return {True: "higher", False: "lower", None: "near real"}[metric.higher_is_better]


def _needs(metric: Metric) -> str:
    needs = ["partners" if is_paired(metric) else "real videos"] if metric.needs_reference else []
    return ", ".join([*needs, *(["prompts"] if metric.needs_prompts else [])])


if __name__ == "__main__":
    PAGE.write_text(table())
