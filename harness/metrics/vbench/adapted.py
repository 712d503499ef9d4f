"""The six dimensions of VBench that need its own environment: formulas on what a program of the user's sees.

Without such a program there is no value, with the reason. Names, prompts and what each asks for come from the user's
copy of VBench's list of prompts (slot ``vbench-prompts``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from harness.given import given
from harness.metrics.base import Extractor, Score, Sight, Status, Tools, VideoSet, without_value
from harness.metrics.intervals import bootstrap_interval, interval_method, wilson_interval
from harness.metrics.vbench import asked, detections
from harness.metrics.vbench.adapter import COMMAND, named_environment
from harness.metrics.vbench.adapter_protocol import Kind, Seen
from harness.metrics.vbench.dimensions import find
from harness.metrics.vbench.suite import Suite, read_suite

SLOT = "vbench-prompts"


class Adapted(ABC):
    """The mean over videos of one dimension's score, raw; higher is better. The interval resamples videos (BCa)."""

    dimension: ClassVar[str]
    judge: ClassVar[str] = "GRiT"
    """The network by which VBench sees."""
    kind: ClassVar[Kind] = "frames"
    needs: ClassVar[str | None] = None
    """What everything found has to have: a box, a caption."""
    name: str
    unit = "1"
    higher_is_better: bool | None = True
    needs_reference = False
    needs_prompts = True
    status: Status = "adapter"
    sight: Sight

    def __init__(self) -> None:
        self.name = f"vbench.{self.dimension}"
        self.sight = Sight(
            cannot_see=f"any motion, all but 16 frames, all else in the picture; what {self.judge} sees is not checked "
            "here: it runs in your own environment"
        )

    @abstractmethod
    def value(self, prompt: str, auxiliary: Mapping[str, Any], seen: Seen) -> float:
        """The score of one video, from what was seen in it."""

    def interval(self, values: np.ndarray, generated: VideoSet) -> tuple[float | None, float | None, str]:
        """Of the mean, and how it was found."""
        scenes = [generated.scenes]
        return *bootstrap_interval(values, scenes=scenes), interval_method("mean over videos", values, scenes=scenes)

    def extractors(self, tools: Tools) -> Sequence[Extractor]:
        """None: what is seen comes from another program, which we do not know, and is not kept."""
        return ()

    def score(self, generated: VideoSet, reference: VideoSet | None, tools: Tools) -> Score:
        """Score ``generated``; ``reference`` is not used. All videos are of prompts of this dimension.

        Raises:
            WeightsError: there is no list of prompts; the message names the command that takes one.
            UsageError: the list, or what names the program, is wrong.
            UnitError: the program failed or answered something else than was asked.
        """
        environment = named_environment()
        if environment is None:
            return without_value(
                generated,
                f"it needs {self.judge}, which runs in VBench's own environment: set {COMMAND} to the command line of "
                "a program there (harness.metrics.vbench.adapter_protocol says what it has to answer)",
            )
        if generated.prompts is None:
            return without_value(generated, f"it needs the prompt of each video, and '{generated.label}' has none")
        file = given(SLOT)
        known = _auxiliary(read_suite(file.path), self.dimension)
        strangers = [prompt for prompt in generated.prompts if prompt not in known]
        if strangers:
            return without_value(
                generated,
                f"{len(strangers)} of {len(generated)} videos are of prompts that VBench does not ask for "
                f"{self.dimension}, the first: '{strangers[0]}'",
            )
        auxiliary = [known[prompt] for prompt in generated.prompts]
        seen = environment.look(
            generated,
            dimension=self.dimension,
            kind=self.kind,
            needs=self.needs,
            auxiliary=auxiliary,
            device=tools.device,
        )
        values = np.array(
            [
                self.value(prompt, about, video) if video.score is None else video.score
                for prompt, about, video in zip(generated.prompts, auxiliary, seen, strict=True)
            ]
        )
        lo, hi, method = self.interval(values, generated)
        return Score(
            value=float(values.mean()),
            n=len(values),
            lo=lo,
            hi=hi,
            method=method,
            per_sample=values,
            protocol={
                **self._card(scored_by_the_program=seen[0].score is not None),
                "program": environment.title,
                "prompts": f"sha256 {file.sha256[:12]}",
                "looked_at": detections.SAMPLED,
                "frames": generated.frames,
                "size": list(generated.size),
                "fps": generated.fps,
                "n_generated": len(values),
            },
        )

    def _card(self, *, scored_by_the_program: bool) -> dict[str, Any]:
        """Which formula it was, and whether that is the leaderboard's. Whether the network is, the user has to know."""
        dimension = find(self.dimension)
        taken_for = f"{self.judge}, as the program's writer says"
        if scored_by_the_program:
            return {"formula": "the program's own", "network": taken_for}
        departs = {"departs": dimension.departs} if dimension.departs else {}
        return {
            "formula": dimension.formula,
            "network": taken_for,
            "comparable_with_the_leaderboard": not departs,
            **departs,
        }


class ObjectClass(Adapted):
    """Share of frames with the object; see :func:`harness.metrics.vbench.detections.object_class`."""

    dimension = "object_class"

    def value(self, prompt: str, auxiliary: Mapping[str, Any], seen: Seen) -> float:
        """See :class:`Adapted`."""
        return detections.object_class(seen.frames, asked.object_asked(auxiliary))


class MultipleObjects(Adapted):
    """Share of frames with both objects; see :func:`harness.metrics.vbench.detections.multiple_objects`."""

    dimension = "multiple_objects"

    def value(self, prompt: str, auxiliary: Mapping[str, Any], seen: Seen) -> float:
        """See :class:`Adapted`."""
        return detections.multiple_objects(seen.frames, *asked.objects_asked(auxiliary))


class HumanAction(Adapted):
    """Share of videos of the action; see :func:`harness.metrics.vbench.detections.human_action`.

    The interval is Wilson's, or by scenes where videos were cut from some.
    """

    dimension = "human_action"
    judge = "UMT-L/16"
    kind = "actions"

    def value(self, prompt: str, auxiliary: Mapping[str, Any], seen: Seen) -> float:
        """See :class:`Adapted`."""
        return detections.human_action(seen.actions, asked.action_asked(prompt))

    def interval(self, values: np.ndarray, generated: VideoSet) -> tuple[float | None, float | None, str]:
        """Wilson's, where every video counts 0 or 1 and they are independent."""
        if generated.scenes is None and np.isin(values, (0, 1)).all():
            return *wilson_interval(int(values.sum()), len(values)), "share of videos, Wilson 95 % interval"
        return super().interval(values, generated)


class Colour(Adapted):
    """Frames with the object in its colour over those with it in any; see :func:`..detections.colour`."""

    dimension = "color"
    needs = "caption"

    def value(self, prompt: str, auxiliary: Mapping[str, Any], seen: Seen) -> float:
        """See :class:`Adapted`."""
        return detections.colour(seen.frames, *asked.colour_asked(prompt, auxiliary))


class SpatialRelationship(Adapted):
    """Whether one object lies on that side of the other; see :func:`..detections.spatial_relationship`."""

    dimension = "spatial_relationship"
    needs = "box"

    def value(self, prompt: str, auxiliary: Mapping[str, Any], seen: Seen) -> float:
        """See :class:`Adapted`."""
        return detections.spatial_relationship(seen.frames, asked.relation_asked(auxiliary))


class Scene(Adapted):
    """Share of frames whose caption names the scene; see :func:`harness.metrics.vbench.detections.scene`."""

    dimension = "scene"
    judge = "Tag2Text"
    kind = "captions"

    def value(self, prompt: str, auxiliary: Mapping[str, Any], seen: Seen) -> float:
        """See :class:`Adapted`."""
        return detections.scene(seen.captions, asked.scene_asked(auxiliary))


def _auxiliary(suite: Suite, dimension: str) -> dict[str, Mapping[str, Any]]:
    """By prompt, what it asks for."""
    return {entry.prompt: entry.auxiliary.get(dimension, {}) for entry in suite.of(dimension)}
