"""Numbers for people, and the rows they stand in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.records import Evidence, HygieneRecord, Measurement, Verdict
from harness.store import Run
from reports import figures, tables
from reports.format import duration, number, show
from reports.load import load
from reports.strip import INSET, score_strip, verdict_strip
from reports.svg import themed


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "s", "0 s"),
        (0.9999, "s", "1.00 s"),
        (0.0421, "s", "42.1 ms"),
        (1.5e-5, "s", "15.0 µs"),
        (3 * 2**30, "byte", "3 GiB"),
        (512.0, "byte", "512 byte"),
        (7.675e9, "FLOP", "7.67 GFLOP"),
        (-0.0313, "1", "−0.0313"),
        (0.0, "1", "0"),
        (412673.0, "1", "412\u202f673"),
        (2.5e-7, "1", "2.50×10⁻⁷"),
        (12 / 7, "x", "1.71×"),
        (3.2, "pixel", "3.20 pixel"),
    ],
)
def test_values_are_printed_in_the_unit_that_suits_them(value: float, unit: str, text: str) -> None:
    assert str(show(value, unit)).replace("\xa0", " ") == text


def test_an_interval_decides_how_many_digits_are_worth_printing() -> None:
    wide, narrow = show(0.8594, "1", lo=0.75, hi=0.93), show(0.8594, "1", lo=0.8581, hi=0.8607)
    assert (wide.number, narrow.number) == ("0.86", "0.8594")
    assert wide.exact == narrow.exact == "0.8594"


def test_what_rounds_to_zero_has_no_sign() -> None:
    assert number(-0.0004, decimals=2) == "0.00"


def test_a_long_time_is_minutes_and_hours() -> None:
    assert [duration(s).replace("\xa0", " ") for s in (0.5, 59.94, 60, 3725)] == [
        "500 ms",
        "59.9 s",
        "1 min 0 s",
        "1 h 2 min",
    ]


def test_real_clips_without_a_seed_stand_beside_every_seed(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    common = {"metric": "digit_accuracy", "scope": "clips", "unit": "1", "higher_is_better": True}
    run.append(Measurement(generator="tpdiff", seed=1, value=0.5, **common))
    rows = [row for row in tables.quality_rows(load(run)) if row.label == "Digit accuracy"]
    assert [(row.seed, sorted(row.cells)) for row in rows] == [
        (0, ["full-rate", "real", "tpdiff"]),
        (1, ["real", "tpdiff"]),
    ]


def test_quotients_are_control_over_candidate(synthetic_run: Callable[..., Run]) -> None:
    rows = {row.detail: row for row in tables.cost_rows(load(synthetic_run(videos=1)))}
    assert rows["flops, training_step"].quotients == {"tpdiff": "1.71×"}
    assert rows["parameters, denoiser"].quotients == {"tpdiff": "1.00×"}


def test_stages_are_read_against_each_other_in_one_unit(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    common = {"seed": 0, "metric": "flops", "unit": "FLOP"}
    run.append(Measurement(generator="tpdiff", scope="denoise_step[stage=3]", value=1.34e9, **common))
    rows = tables.stage_rows(load(run))
    shown = [row.cells["tpdiff"].shown for row in rows]
    assert [str(s).replace("\xa0", " ") for s in shown] == ["0.064 GFLOP", "0.128 GFLOP", "0.256 GFLOP", "1.340 GFLOP"]


def test_a_quotient_by_nothing_is_not_printed(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    common = {"seed": 0, "metric": "nfe", "scope": "video", "unit": "1"}
    run.append(Measurement(generator="full-rate", value=30.0, **common))
    run.append(Measurement(generator="tpdiff", value=None, reason="not counted", **common))
    (row,) = [row for row in tables.cost_rows(load(run)) if row.detail == "nfe, video"]
    assert row.quotients == {}
    assert tables.missing([row])[0].reason == "not counted"


def test_rows_partition_the_measurements(synthetic_run: Callable[..., Run]) -> None:
    data = load(synthetic_run(videos=1))
    assert sum(len(row.cells) for row in tables.every_row(data)) == len(data.measurements)


def test_an_unknown_cost_scope_is_shown_as_it_is_spelled(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    run.append(Measurement(generator="tpdiff", metric="latency_s", scope="upload", unit="s", value=0.1))
    (row,) = [row for row in tables.part_rows(load(run)) if "upload" in row.detail]
    assert (row.group, row.label) == ("Other", "latency_s, upload")


def test_parts_percentiles_and_inner_spans_stand_beside_the_whole_costs_and_none_is_lost_or_shown_twice(
    synthetic_run: Callable[..., Run],
) -> None:
    run = synthetic_run(videos=1)
    seconds = {"generator": "tpdiff", "seed": 0, "unit": "s", "value": 0.1}
    scopes = ("denoise", "load", "denoise[stage=1]", "denoise_step[stage=0]", "training_step[backward]", "end_to_end")
    run.append([Measurement(metric="latency_s", scope=scope, **seconds) for scope in scopes])
    run.append(Measurement(metric="latency_s[p90]", scope="end_to_end", **seconds))
    run.append(Measurement(metric="peak_memory_bytes[resident]", scope="denoise_step[stage=0]", **seconds))
    run.append(Measurement(metric="flops", scope="training_step[backward]", **seconds))
    run.append(Measurement(metric="energy_j[gpu]", scope="video", **seconds | {"value": None, "reason": "no GPU"}))
    run.append(Measurement(metric="mfu", scope="end_to_end", **seconds))
    data = load(run)
    named = {row.detail: (row.group, row.label) for row in tables.part_rows(data)}
    assert named["latency_s, denoise"] == ("A request", "All denoising steps: time")
    assert named["flops, training_step[backward]"] == ("A training step", "Backward: compute")
    assert named["latency_s[p90], end_to_end"] == ("A request", "Time that 90 % of calls stay within")
    assert named["latency_s, denoise[stage=1]"][0] == "Inside, by stage"
    whole = {row.detail for row in tables.cost_rows(data)}
    assert {"energy_j[gpu], video", "mfu, end_to_end"} <= whole
    assert sum(len(row.cells) for row in tables.every_row(data)) == len(data.measurements)


def test_values_that_the_same_generators_lack_for_the_same_reason_stand_together(
    synthetic_run: Callable[..., Run],
) -> None:
    run = synthetic_run(videos=1)
    nothing = {"unit": "J", "value": None, "scope": "video"}
    for metric, label, reason in [
        ("energy_j[gpu]", "tpdiff", "no GPU"),
        ("energy_j[gpu]", "full-rate", "no GPU"),
        ("energy_j[cpu]", "tpdiff", "no GPU"),
        ("energy_j[cpu]", "full-rate", "no counter"),
    ]:
        run.append(Measurement(metric=metric, generator=label, reason=reason, **nothing))
    rows = [row for row in tables.cost_rows(load(run)) if row.detail.startswith("energy")]
    assert not any(row.measured for row in rows)
    assert {(item.what, item.generators, item.reason) for item in tables.missing(rows)} == {
        (("energy_j[gpu], video",), ("tpdiff", "full-rate"), "no GPU"),
        (("energy_j[cpu], video",), ("tpdiff",), "no GPU"),
        (("energy_j[cpu], video",), ("full-rate",), "no counter"),
    }


def test_what_spoiled_the_timings_of_a_launch_is_told_before_they_are(synthetic_run: Callable[..., Run]) -> None:
    run = synthetic_run(videos=1)
    look = {"seed": 0, "launch": 1, "before": {}, "after": {}}
    run.append(HygieneRecord(**look, warnings=["Other processes used 40 % of the cores."]))
    (problem,) = [problem for problem in load(run).problems if problem.what == "spoiled timings"]
    assert problem.why == "Other processes used 40 % of the cores."
    run.append(HygieneRecord(**look, attempt=2))
    assert not [problem for problem in load(run).problems if problem.what == "spoiled timings"], "the last try counts"


def _verdict(*cost: Evidence) -> Verdict:
    return Verdict(
        claim="c",
        statement="s",
        source="p",
        threshold=2.0,
        tolerance=0.05,
        control="a",
        candidate="b",
        verdict="inconclusive",
        why="w",
        cost=list(cost),
        quality=[],
    )


def test_a_strip_puts_ratio_threshold_and_parity_on_one_axis() -> None:
    strip = verdict_strip(_verdict(Evidence(name="r", value=1.5, lo=1.25, hi=1.75, unit="x")))
    (mark,) = strip.marks
    assert mark is not None
    assert (strip.parity, strip.threshold.at) == (INSET, 100 - INSET)
    assert (mark.lo, mark.at, mark.hi) == (27.0, 50.0, 73.0)
    assert strip.granted < strip.threshold.at


def test_what_is_no_ratio_or_not_measured_has_no_mark() -> None:
    missing, seconds = Evidence(name="m", value=None, unit="x"), Evidence(name="s", value=500.0, unit="s")
    strip = verdict_strip(_verdict(missing, seconds))
    assert strip.marks == (None, None)
    assert strip.threshold.at == 100 - INSET


def test_a_single_score_stands_in_the_middle() -> None:
    record = Measurement(generator="a", metric="m", unit="1", value=3.0)
    (mark,) = score_strip([(0, record)])
    assert (mark.lo, mark.at, mark.hi) == (50.0, 50.0, 50.0)


def test_the_staircase_tells_when_its_steps_are_not_to_scale(synthetic_run: Callable[..., Run]) -> None:
    flops = [r for r in load(synthetic_run(videos=1)).measurements if r.metric == "flops"]
    series = {"full-rate": 0, "tpdiff": 1}
    to_scale = figures.staircase(flops, series=series)
    plain = figures.staircase([r.model_copy(update={"protocol": {}}) for r in flops], series=series)
    assert to_scale is not None
    assert plain is not None
    assert "equally wide" not in to_scale.caption
    assert "equally wide" in plain.caption


def test_drawings_follow_the_theme_and_need_no_style_attribute(synthetic_run: Callable[..., Run]) -> None:
    data = load(synthetic_run(videos=1))
    drawing = themed(figures.loss_by_step(data.training, series={"full-rate": 0, "tpdiff": 1}))
    assert 'class="stroke-series-0"' in drawing
    assert "style" not in drawing
    assert "http" not in drawing
    assert drawing.startswith("<svg")


def test_every_mark_of_a_drawing_says_what_it_is_of(synthetic_run: Callable[..., Run]) -> None:
    data = load(synthetic_run(videos=1, hostile=True))
    series = {label: number for number, label in enumerate(data.generators)}
    plots = [*figures.losses(data.training, series=series), *figures.timed(data.timings, series=series)]
    plots += [plot for plot in [figures.staircase(data.measurements, series=series)] if plot]
    assert len(plots) == 5
    for plot in plots:
        told = sum(len(texts) for texts in plot.tips.values())
        assert told > 0
        assert themed(plot).count("data-tip=") == told
        assert "<script" not in themed(plot)


def test_a_long_training_is_thinned_out_and_keeps_its_ends(synthetic_run: Callable[..., Run]) -> None:
    first = load(synthetic_run(videos=1)).training[0]
    many = [first.model_copy(update={"step": step, "loss": float(step)}) for step in range(1, 2001)]
    (told,) = figures.loss_by_step(many, series={first.generator: 0}).tips.values()
    assert len(told) == figures.MOST_MARKS
    assert ("step 1," in told[0], "step 2000," in told[-1]) == (True, True)


def test_a_training_of_a_single_block_is_drawn(synthetic_run: Callable[..., Run]) -> None:
    first = load(synthetic_run(videos=1)).training[:1]
    assert "1 training run." in figures.loss_by_seconds(first, series={"full-rate": 0}).caption
