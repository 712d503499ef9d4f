"""Who may import whom, and what the command line may load: the architecture, held by the syntax tree."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("harness", "baselines", "tpdiff", "reports")

MATHS = ("harness.diffusion", "harness.denoiser", "harness.errors")
SEAM = (*MATHS, "harness.generator")
ALLOWED = {
    "harness": ("harness",),
    "reports": (
        "reports",
        "harness.records",
        "harness.measurement_table",
        "harness.printable",
        # What `tpbench compare` found, for its page.
        "harness.comparing",
        "harness.change",
        "harness.store",
        "harness.sealing",
        "harness.errors",
    ),
    # The method is mathematics. Only what is called with a probe or a batch knows the seam.
    "tpdiff": ("tpdiff", *MATHS),
    "tpdiff.loss": ("tpdiff", *SEAM),
    "tpdiff.sampler": ("tpdiff", *SEAM),
    "tpdiff.generator": ("tpdiff", *SEAM),
    "baselines": ("baselines", "tpdiff", *SEAM, "harness.published"),
}
"""Module, or package of modules, to what of ours it may import. The longest match counts."""
FORBIDDEN = {"baselines": ("tpdiff.generator",)}
"""Exceptions to the above: another method's mathematics may be used, its generator may not."""

HEAVY = ("torch", "pandas", "matplotlib", "numpy", "scipy", "sklearn", "av")


def imports(source: str) -> Iterator[str]:
    """Full names of everything a module imports, wherever in it, also for type checking only."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def below(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


def violations(module: str, source: str) -> list[str]:
    """The imports of ``module`` that the table does not allow."""
    place = max((known for known in ALLOWED if below(module, known)), key=len)
    ours = [name for name in imports(source) if name.partition(".")[0] in PACKAGES]
    return [
        f"{module} imports {name}"
        for name in ours
        if not any(below(name, allowed) for allowed in ALLOWED[place])
        or any(below(name, forbidden) for forbidden in FORBIDDEN.get(place, ()))
    ]


def modules() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


def modules_after(*arguments: str) -> set[str]:
    """What is imported once the command line has done its work, in a fresh process."""
    code = (
        "import sys, json, contextlib, io\n"
        "from harness.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({list(arguments)!r})\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_every_module_imports_only_what_the_table_allows() -> None:
    found = [line for name, path in modules() for line in violations(name, path.read_text())]
    assert found == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("harness.driver", "import tpdiff.stages"),
        ("harness.driver", "from baselines import full_rate"),
        ("harness.cli", "def f():\n    from reports.html import write"),
        ("reports.tables", "from harness.study import Study"),
        ("reports.tables", "from harness import driver"),
        ("tpdiff.stages", "from harness.generator import Batch"),
        ("tpdiff.generator", "from baselines.full_rate import FullRate"),
        ("baselines.full_rate", "from tpdiff.generator import TPDiff"),
        ("baselines.full_rate", "from harness.driver import execute"),
        ("baselines.full_rate", "if TYPE_CHECKING:\n    from reports.load import load"),
        ("baselines.published.wan", "from harness.model_files import load_model"),
    ],
)
def test_a_forbidden_import_is_caught(module: str, source: str) -> None:
    assert len(violations(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tpdiff.generator", "from harness.generator import Batch"),
        ("baselines.half_rate", "from tpdiff.resample import up"),
        ("baselines.published.wan", "from harness.published import PublishedModel"),
        ("reports.html", "from harness.store import Run\nimport pandas"),
        ("harness.scoring", "import torch\nfrom harness.store import Run"),
    ],
)
def test_an_allowed_import_is_let_through(module: str, source: str) -> None:
    assert violations(module, source) == []


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("run", "--help"), ("plan", "--help"), ("gate", "--help"), ("list",), ("list", "metrics", "--json")],
)
def test_looking_around_loads_no_heavy_library(arguments: tuple[str, ...]) -> None:
    assert modules_after(*arguments).isdisjoint(HEAVY)


def test_the_guard_against_heavy_libraries_sees_what_a_command_loads() -> None:
    assert "torch" in modules_after("doctor")


def test_planning_a_run_needs_no_torch() -> None:
    assert "torch" not in modules_after("run", "quick", "--dry-run")


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_ships_tests(package: str) -> None:
    assert [name for name, _ in modules() if name.startswith(package) and ".test" in name] == []
