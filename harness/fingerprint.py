"""Which differences of two environments spoil which comparison, field by field.

Timings of another processor are other timings; its FLOP counts are the same. An environment
(:func:`harness.environment.collect`, or ``environment.json`` with the data set beside it) is laid out flat, and each
field is looked up in :data:`SPOILS`. A field that is not listed there spoils everything: nobody has said that it does
not. What one side does not know is a difference that cannot be ruled out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from harness.errors import unknown_name

Effect = Literal["timings", "energy", "counts", "scores"]
EFFECTS: tuple[Effect, ...] = get_args(Effect)
Effects = frozenset[Effect]

NOTHING: Effects = frozenset()
COST: Effects = frozenset({"timings", "energy"})
"""How fast it runs: energy is power times time, so whatever moves one moves the other."""
RESULTS: Effects = frozenset({"scores"})
"""What is made and how it is judged."""
ROUNDING: Effects = COST | RESULTS
"""Other kernels: another speed, and other last bits, from which samples drift apart."""
EVERYTHING: Effects = frozenset(EFFECTS)

SPOILS: Mapping[str, Effects] = {
    "cpu.model": COST,
    "cpu.architecture": ROUNDING,
    "cpu.physical_cores": COST,
    "cpu.logical_cores": COST,
    "cpu.usable_cores": COST,
    "cpu.governor": COST,
    # How much was left is a matter of hygiene; how much there is changes nothing that fits.
    "memory_bytes": NOTHING,
    "os": COST,
    "python.version": COST,
    "python.patch": NOTHING,
    "packages.tpbench": EVERYTHING,
    "packages.torch": EVERYTHING,
    "packages.diffusers": EVERYTHING,
    "packages.transformers": EVERYTHING,
    "packages.torchvision": ROUNDING,
    "packages.torchmetrics": RESULTS,
    "packages.safetensors": NOTHING,
    "packages.numpy": ROUNDING,
    "packages.scipy": RESULTS,
    "packages.pandas": NOTHING,
    "packages.pydantic": NOTHING,
    "packages.scikit-learn": RESULTS,
    "packages.av": RESULTS,
    "packages.open_clip_torch": RESULTS,
    "packages.pytorchvideo": RESULTS,
    "source.commit": EVERYTHING,
    "source.dirty": EVERYTHING,
    "source.changes": EVERYTHING,
    "study": EVERYTHING,
    "threads": COST,
    "variables.OMP_NUM_THREADS": COST,
    "variables.MKL_NUM_THREADS": COST,
    "variables.OPENBLAS_NUM_THREADS": COST,
    "variables.OMP_PROC_BIND": COST,
    "variables.OMP_WAIT_POLICY": COST,
    "variables.KMP_AFFINITY": COST,
    "variables.PYTORCH_ALLOC_CONF": COST,
    "variables.PYTORCH_CUDA_ALLOC_CONF": COST,
    "variables.OPENBLAS_CORETYPE": ROUNDING,
    "variables.CUBLAS_WORKSPACE_CONFIG": ROUNDING,
    "variables.NVIDIA_TF32_OVERRIDE": ROUNDING,
    "variables.PYTHONHASHSEED": RESULTS,
    # Which GPUs are seen is told by their names.
    "variables.CUDA_VISIBLE_DEVICES": NOTHING,
    "gpus[].name": COST,
    "gpus[].memory_bytes": COST,
    "gpus[].compute_capability": ROUNDING,
    "gpus[].cuda": ROUNDING,
    "gpus[].driver": COST,
    "gpus[].power_limit_w": COST,
    "gpus[].mig": COST,
    # Boards of one model and one cluster differ by 8 % on average, by 22 % at most (Sinha et al., arXiv 2208.11035).
    "gpus[].uuid": COST,
    "torch.threads": COST,
    "torch.cpu_capability": ROUNDING,
    "torch.onednn": ROUNDING,
    "torch.onednn_matmul": ROUNDING,
    "torch.float32_matmul_precision": ROUNDING,
    "torch.matmul_tf32": ROUNDING,
    "torch.cudnn_tf32": ROUNDING,
    "torch.cudnn_benchmark": ROUNDING,
    "torch.cudnn_deterministic": ROUNDING,
    "torch.deterministic_algorithms": ROUNDING,
}
"""Field to what it spoils. ``[]`` stands for any number in a list."""

_KINDS: Mapping[str, Effect] = {
    **dict.fromkeys(("flops", "nfe", "full_rate_nfe", "parameters", "predicted_memory_bytes"), "counts"),
    **dict.fromkeys(("latency_s", "clips_per_s", "videos_per_s", "mfu", "alignment_s"), "timings"),
    **dict.fromkeys(("peak_memory_bytes", "working_memory_bytes"), "timings"),
    "energy_j": "energy",
}
"""Metric, without what stands in brackets, to its kind."""

_NONE_IS_KNOWN = ("packages", "variables")
"""Where a missing entry says something: not installed, not set."""
_WHOLE = ("earlier",)
"""Taken as one field: which other environments took part, not what they differ in."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field in which two environments differ, or may."""

    field: str
    """With dots and list numbers, e.g. ``cpu.model``, ``gpus[0].driver``."""
    a: Any
    """None: nothing there, or not known."""
    b: Any
    """As ``a``."""
    spoils: Effects
    """What must not be compared because of it; empty: it changes no number."""
    unknown: bool
    """Whether one side is not known, so that a difference cannot be ruled out."""

    def __str__(self) -> str:
        """
        >>> print(Difference(field="cpu.governor", a=None, b="performance", spoils=COST, unknown=True))
        cpu.governor: unknown or performance, a difference cannot be ruled out; spoils timings, energy
        """
        a, b = (json.dumps(value) if not isinstance(value, str) else value for value in (self.a, self.b))
        what = ", ".join(effect for effect in EFFECTS if effect in self.spoils) or "nothing"
        if not self.unknown:
            return f"{self.field}: {a} or {b}; spoils {what}"
        a, b = ("unknown" if value is None else said for value, said in ((self.a, a), (self.b, b)))
        return f"{self.field}: {a} or {b}, a difference cannot be ruled out; spoils {what}"


def spoils(field: str) -> Effects:
    """What a difference in a field spoils.

    >>> sorted(spoils("gpus[3].driver")), sorted(spoils("something.new"))
    (['energy', 'timings'], ['counts', 'energy', 'scores', 'timings'])
    """
    return SPOILS.get(re.sub(r"\[\d+\]", "[]", field), EVERYTHING)


def kind_of(metric: str) -> Effect:
    """Which kind of number a metric is: what spoils one of a kind spoils all of it.

    Measured memory is told with the timings: allocator, threads and kernels of a machine move both. Whatever is no cost
    is a score.

    >>> [kind_of(metric) for metric in ("latency_s[p90]", "flops", "energy_j[gpu]", "fvd[transnetv2]")]
    ['timings', 'counts', 'energy', 'scores']
    """
    return _KINDS.get(metric.partition("[")[0], "scores")


def compare(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Difference]:
    """Every field in which two environments differ, cosmetic ones included, in the order of their names.

    Two copies of the source that both differ from their commit, and are not known to differ in the same way, are a
    difference that cannot be ruled out.
    """
    ours, theirs = dict(fields(a)), dict(fields(b))
    found = [
        Difference(
            field=field,
            a=ours.get(field),
            b=theirs.get(field),
            spoils=spoils(field),
            unknown=_unknown(a, field, ours) or _unknown(b, field, theirs),
        )
        for field in sorted(ours.keys() | theirs.keys())
        if _text(ours.get(field)) != _text(theirs.get(field))
    ]
    if all(side.get("source.dirty") and "source.changes" not in side for side in (ours, theirs)):
        field = "source.changes"
        found.append(Difference(field=field, a=None, b=None, spoils=spoils(field), unknown=True))
    return sorted(found, key=lambda difference: difference.field)


def fingerprint(environment: Mapping[str, Any], *, what: str) -> str:
    """Digest of exactly those fields whose difference spoils ``what``: equal digests may be compared.

    Args:
        environment: as collected.
        what: one of :data:`EFFECTS`.

    Raises:
        UsageError: there is no such thing to spoil.

    >>> here = {"cpu": {"model": "A"}, "python": "CPython 3.11.1"}
    >>> fingerprint(here, what="counts") == fingerprint({"cpu": {"model": "B"}}, what="counts")
    True
    >>> fingerprint(here, what="timings") == fingerprint({**here, "cpu": {"model": "B"}}, what="timings")
    False
    """
    if what not in EFFECTS:
        raise unknown_name("kind of number", what, EFFECTS)
    deciding = {field: value for field, value in fields(environment) if what in spoils(field)}
    return hashlib.sha256(_text(deciding).encode()).hexdigest()[:12]


def fields(environment: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Field and value of all that is known, laid out flat; the version of Python in two parts.

    >>> dict(fields({"cpu": {"model": "A", "governor": None}, "gpus": [{"name": "G"}], "python": "CPython 3.11.7"}))
    {'cpu.model': 'A', 'gpus[0].name': 'G', 'python.version': 'CPython 3.11', 'python.patch': '7'}
    """
    for key, value in environment.items():
        version = re.fullmatch(r"(\S+ \d+\.\d+)\.?(.*)", value) if key == "python" and isinstance(value, str) else None
        if version:
            yield "python.version", version[1]
            yield "python.patch", version[2]
        elif key in _WHOLE:
            yield from [(key, value)] if value else []
        else:
            yield from _flat(key, value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping | list | tuple) for inner in value):
        for number, inner in enumerate(value):
            yield from _flat(f"{name}[{number}]", inner)
    elif value is not None and value != [] and value != ():
        yield name, list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    """As JSON, in which True is not 1: what a digest tells apart, a comparison does, too."""
    return json.dumps(value, sort_keys=True)


def _unknown(environment: Mapping[str, Any], field: str, known: Mapping[str, Any]) -> bool:
    """Whether an environment says nothing of a field; that there is no such package, variable or GPU is said."""
    if field in known or field in _WHOLE or (field == "source.changes" and known.get("source.dirty") is False):
        return False
    top = re.split(r"[.\[]", field)[0]
    part = environment.get(top)
    if part is None:
        return True
    if top in _NONE_IS_KNOWN:
        return False
    number = re.match(r"\w+\[(\d+)\]", field)
    return not (number and isinstance(part, list | tuple) and int(number[1]) >= len(part))
