"""``tpbench new generator`` and ``check-plugin``."""

from __future__ import annotations

from pathlib import Path

from harness import console

BROKEN = 3


def new_generator(name: str, *, into: Path, as_json: bool) -> int:
    """Write a plugin package and say how to install, check and run it."""
    from harness.scaffold import new_generator as write

    folder = write(name, into)
    if as_json:
        console.print_json({"name": name, "folder": str(folder)})
    else:
        print(f"wrote {folder}")
        print(f"next: pip install -e {folder} && tpbench check-plugin {name}")
    return 0


def check_plugin(name: str, *, as_json: bool) -> int:
    """Run the conformance suite on one generator."""
    from harness.commands.preflight import require_torch
    from harness.registry import find

    find("generators", name, where="tpbench check-plugin")
    require_torch()
    from harness.conformance import check

    checks = check(name)
    if as_json:
        console.print_json([{"check": item.name, "passed": item.passed, "detail": item.detail} for item in checks])
    else:
        rows = [[item.name, "passed" if item.passed else "FAILED", item.detail] for item in checks]
        console.print_table(f"Promises of the seam, kept by {name}", ["check", "result", "detail"], rows)
    return 0 if all(item.passed for item in checks) else BROKEN
