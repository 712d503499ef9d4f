"""FLOPs by hand beside FLOPs counted: closed form, meta device and CPU, which must agree to the last one.

    python docs/flops_table.py                 # all: a minute
    python docs/flops_table.py --no-training   # forward passes only

Networks at their published size run on the meta device alone. The small ones of each family, and tpbench's own, run
on the CPU, too. Training is forward and backward. The backward pass of attention has four products in a textbook and
on the meta device; the flash kernel, which a CPU or a GPU runs, forms the scores anew and has five.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from countable import PUBLISHED, own_latent, published_flops, small_networks
from harness.model_files import load_model
from real_passes import forward_flops, training_flops

Row = tuple[str, str, int, int | None, int | None]
"""Network, pass, by hand, on meta and on the CPU if it was run there."""


def published(*, training: bool) -> Iterator[Row]:
    """The registered models at their own video, batch 1."""
    for name in PUBLISHED:
        model = load_model(name)
        network = model.network()
        inputs = model.inputs(network, own_latent(model))

        def call(network: Any = network, inputs: Any = inputs) -> Any:
            return network(**inputs)

        flops = published_flops(model)
        yield name, "forward", flops.forward, forward_flops(call), None
        if training:
            yield name, "training", flops.training, training_flops(call), None
            network.enable_gradient_checkpointing()
            again = training_flops(call)
            print(f"  {name} with checkpointing: {again / flops.forward:.3f}x forward", file=sys.stderr)


def small(*, training: bool) -> Iterator[Row]:
    """One of each family with thin layers, and the tiny backbones."""
    for network in small_networks():
        cpu, meta, flops = network.call("cpu"), network.call("meta"), network.flops
        yield network.name, "forward", flops.forward, forward_flops(meta), forward_flops(cpu)
        if training:
            yield network.name, "training", flops.training, training_flops(meta), training_flops(cpu)
            flash = training_flops(cpu, attention="device")
            yield network.name, "training, flash", flops.training_with_flash, None, flash


def line(row: Row) -> str:
    name, what, by_hand, *counted = row
    found = [number for number in counted if number is not None]
    shown = " | ".join("" if number is None else f"{number:,}" for number in counted)
    return f"| {name} | {what} | {by_hand:,} | {shown} | {'yes' if {*found} == {by_hand} else 'NO'} |"


def table(*, training: bool) -> Iterator[str]:
    """The table in Markdown, line by line."""
    yield "| network | pass | closed form | meta | CPU | equal |"
    yield "|---|---|---:|---:|---:|---|"
    sources: tuple[Callable[..., Iterator[Row]], ...] = (published, small)
    for rows in sources:
        yield from map(line, rows(training=training))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-training", action="store_true")
    for text in table(training=not parser.parse_args().no_training):
        print(text, flush=True)


if __name__ == "__main__":
    main()
