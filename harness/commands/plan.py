"""``tpbench plan``: what a method would save on a published model, before anything is run."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness import console
from harness.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from harness.planning.plan import Plan, Request
    from harness.planning.scan import Axis

Name = TypeVar("Name", bound=str)


def plan(model: str | None, *, scan: str | None, out: Path, as_json: bool, **words: Any) -> int:
    """Count, and print the tables or the document; with ``scan`` write a file and figures, too.

    ``words`` are those of :func:`make_request`.

    Raises:
        UsageError: one of them names nothing, or the model or the planner cannot do it; says what would do.
    """
    require_libraries()
    from harness.planning.document import document
    from harness.planning.plan import make_plan
    from harness.planning.scan import AXES
    from harness.planning.tables import show

    axis = None if scan is None else known(scan, AXES, what="scan", where="--scan")
    made = make_plan(make_request(model, **words))
    found = document(made)
    found["files"] = [] if axis is None else [str(path) for path in write_scan(made, axis, out)]
    if as_json:
        console.print_json(found)
        return 0
    show(made, found)
    for path in found["files"]:
        print(f"scan: {path}")
    return 0


def plan_claims(model: str | None, *, as_json: bool) -> int:
    """The paper's numbers, each judged for every clip that it may be about.

    Raises:
        UsageError: a model is named: the numbers have theirs.
    """
    require_libraries()
    from harness.planning.claim_tables import claims_document, show_claims
    from harness.planning.claims import judge
    from harness.planning.paper import Clip, load_paper
    from harness.planning.plan import make_plan

    if model is not None:
        raise UsageError(f"--claims takes no model, got '{model}': the paper's numbers name theirs.")
    paper = load_paper()
    plans: dict[tuple[str, Clip], Plan] = {}
    judgements = []
    for number in paper.numbers:
        for clip in number.clips:
            if (number.model, clip) not in plans:
                request = make_request(
                    number.model,
                    frames=clip.frames,
                    size=clip.size,
                    stages=paper.stages,
                    steps=paper.steps,
                    shares=None,
                    guidance=paper.guidance,
                    batch=1,
                    hardware=[paper.hardware],
                    regime="full",
                    planner=paper.planner,
                    counted=[],
                )
                plans[number.model, clip] = make_plan(request)
            judgements.append(judge(number, clip, plans[number.model, clip]))
    if as_json:
        console.print_json(claims_document(paper, judgements))
    else:
        show_claims(paper, judgements)
    return 0


def make_request(
    model: str | None,
    *,
    frames: int | None,
    size: str | None,
    stages: int,
    steps: int,
    shares: str | None,
    guidance: bool,
    batch: int,
    hardware: Sequence[str],
    regime: str,
    planner: str,
    counted: Sequence[str] | None = None,
) -> Request:
    """The words of the command line, as what they name.

    Raises:
        UsageError: one of them names nothing, or makes no sense; says what would do.
    """
    from harness.measure.hardware import HARDWARE
    from harness.model_files import load_model
    from harness.planning.plan import Request
    from harness.registry import find, installed
    from harness.training_regimes import REGIMES

    if model is None:
        raise UsageError(
            f"tpbench plan needs a model. Known: {', '.join(installed('models'))}; or a .json or .yaml file."
        )
    return Request(
        model=load_model(model),
        planner_name=planner,
        planner=find("planners", planner, where="--planner").load(),
        stages=stages,
        steps=steps,
        shares=None if shares is None else read_shares(shares),
        frames=frames,
        size=None if size is None else read_size(size),
        guidance=guidance,
        batch=batch,
        regime=known(regime, REGIMES, what="regime", where="--regime"),
        counted=REGIMES if counted is None else tuple(known(one, REGIMES, what="regime", where="") for one in counted),
        hardware=tuple(HARDWARE[known(name, HARDWARE, what="card", where="--hardware")] for name in hardware),
    )


def write_scan(made: Plan, axis: Axis, out: Path) -> list[Path]:
    """The CSV and the figures of a scan, each replaced in one step."""
    from harness.planning.figure import draw
    from harness.planning.scan import scan, text
    from harness.store import write_atomically

    rows = scan(made, axis)
    request = made.request
    title = f"{request.model.title}: {request.planner_name} against full rate"
    name = re.sub(r"[^\w.-]+", "-", f"{request.model.name}-{axis}")
    files: dict[str, str | bytes] = {
        f"{name}.csv": text(rows),
        f"{name}.png": draw(rows, axis, title=title, kind="png"),
        f"{name}.svg": draw(rows, axis, title=title, kind="svg"),
    }
    for file, content in files.items():
        write_atomically(out / file, content)
    return [out / file for file in files]


def known(name: str, names: Iterable[Name], *, what: str, where: str) -> Name:
    """The one of ``names`` that is called so.

    Raises:
        UsageError: none is; lists them.
    """
    choices = list(names)
    for one in choices:
        if one == name:
            return one
    raise unknown_name(what, name, choices, where=where)


def read_size(text: str) -> tuple[int, int]:
    """Height and width.

    Raises:
        UsageError: it is not written so.

    >>> read_size("480x832")
    (480, 832)
    """
    found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text)
    if found is None:
        raise UsageError(f"--size {text}: expected HEIGHTxWIDTH in pixels, e.g. 480x832.")
    return int(found[1]), int(found[2])


def read_shares(text: str) -> tuple[float, ...]:
    """Shares of the steps, noisiest stage first.

    Raises:
        UsageError: they are not numbers with commas between.

    >>> read_shares("20,5,5")
    (20.0, 5.0, 5.0)
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--shares {text}: expected a number for each stage, e.g. 10,10,10.") from None


def require_libraries() -> None:
    """
    Raises:
        UsageError: torch is not installed, so nothing can be counted.
    """
    if importlib.util.find_spec("torch") is None:
        raise UsageError("cannot plan: torch is not installed. `pip install 'tpbench[published]'`.")
