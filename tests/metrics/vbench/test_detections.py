"""Formulas of things seen: known answers, and where the original's faults would give another number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.vbench.asked import RELATIONSHIPS, Relation, action_asked, colour_asked, objects_asked
from harness.metrics.vbench.detections import (
    COLOURS,
    Action,
    Box,
    Detection,
    colour,
    human_action,
    multiple_objects,
    object_class,
    overlap,
    sampled_frames,
    scene,
    side_score,
    spatial_relationship,
)

NEAR, FAR = (0.0, 0.0, 10.0, 10.0), (50.0, 0.0, 60.0, 10.0)


def car(caption: str) -> Detection:
    return Detection(label="car", caption=caption)


def original_colours(clips: list[list[list[Detection]]], thing: str, wanted: str) -> float:
    """The original's rule: the first object's class for all captions of a frame, and clips without it left out."""
    shares = []
    for frames in clips:
        captions = [[found.caption for found in frame] for frame in frames if frame and frame[0].label == thing]
        coloured = [all_ for all_ in captions if any(word in caption for caption in all_ for word in COLOURS)]
        if coloured:
            shares.append(sum(any(wanted in caption for caption in all_) for all_ in captions) / len(coloured))
    return sum(shares) / len(shares)


def original_side(first: Box, second: Box, relationship: str) -> float:
    """The original's rule: the axis has to be the right one, the side has not."""
    across, down = (abs(second[axis] + second[axis + 2] - first[axis] - first[axis + 2]) for axis in (0, 1))
    right_axis = across > down if relationship in ("on the left of", "on the right of") else down > across
    shared = overlap(first, second)
    return 0.0 if not right_axis else 1.0 if shared < 0.1 else 0.1 / shared


def test_shares_of_frames_count_empty_frames() -> None:
    cat, dog = Detection(label="cat"), Detection(label="dog")
    frames = [[cat, dog], [cat], [], []]
    assert object_class(frames, "cat") == 0.5
    assert multiple_objects(frames, "dog", "cat") == multiple_objects(frames, "cat", "dog") == 0.25
    assert object_class([[]] * 16, "cat") == 0.0
    assert object_class([[Detection(label="hot dog")]], "dog") == 0.0, "classes are equal or not"


def test_a_clip_that_never_shows_the_object_lowers_the_colour_where_the_original_leaves_it_out() -> None:
    clips = [[[car("a red car")]] * 4, [[Detection(label="bus", caption="a red bus")]] * 4, [[]] * 4]
    ours = [colour(frames, "car", "red") for frames in clips]
    assert ours == [1.0, 0.0, 0.0]
    assert original_colours(clips, "car", "red") == 1.0 != np.mean(ours)


def test_a_caption_belongs_to_its_own_object_where_the_original_takes_all_of_the_frame() -> None:
    frames = [[car("a blue car"), Detection(label="bus", caption="a red bus")]] * 4
    assert colour(frames, "car", "red") == 0.0
    assert original_colours([frames], "car", "red") == 1.0
    behind_another = [[Detection(label="bus", caption="a bus"), car("a red car")]] * 4
    assert colour(behind_another, "car", "red") == 1.0


def test_colour_counts_frames_with_any_colour_and_knows_words_as_letters() -> None:
    frames = [[car("a red car")], [car("a grey car")], [car("a car")], [car("a car covered in snow")]]
    assert colour(frames, "car", "red") == pytest.approx(2 / 3), "'red' is in 'covered', as on the leaderboard"
    assert colour([[car("a brown car")]], "car", "brown") == 1.0, "a colour that is asked for is one"


def test_left_is_not_right_and_top_is_not_bottom_where_the_original_takes_either() -> None:
    above = (0.0, -50.0, 10.0, -40.0)  # the vertical axis points down
    for relationship, first, second in (
        ("on the left of", NEAR, FAR),
        ("on the right of", FAR, NEAR),
        ("on the top of", above, NEAR),
        ("on the bottom of", NEAR, above),
    ):
        assert side_score(first, second, relationship) == 1.0
        assert side_score(second, first, relationship) == 0.0
        assert original_side(second, first, relationship) == 1.0


def test_two_of_one_kind_are_no_pair() -> None:
    wanted = Relation(first="car", relationship="on the left of", second="bus")
    cars = [Detection(label="car", box=NEAR), Detection(label="car", box=FAR)]
    assert spatial_relationship([cars], wanted) == 0.0
    assert original_side(NEAR, FAR, wanted.relationship) == 1.0
    with_bus = [*cars, Detection(label="bus", box=(20.0, 0.0, 30.0, 10.0))]
    assert spatial_relationship([with_bus, []], wanted) == 0.5, "the best pair of a frame counts, an empty frame is 0"


@pytest.mark.parametrize(
    ("shift", "expected"), [(10, 1.0), (9, 1.0), (8, 0.1 / (20 / 180)), (5, 0.3), (1, 0.1 / (9 / 11))]
)
def test_boxes_that_overlap_count_less_from_a_tenth_on(shift: float, expected: float) -> None:
    moved = (shift, 0.0, 10.0 + shift, 10.0)
    assert side_score(NEAR, moved, "on the left of") == pytest.approx(expected)


def test_the_asked_direction_has_to_be_the_further_one() -> None:
    diagonal, flatter = (50.0, 50.0, 60.0, 60.0), (51.0, 50.0, 61.0, 60.0)
    assert side_score(NEAR, diagonal, "on the left of") == side_score(NEAR, diagonal, "on the top of") == 0.0
    assert side_score(NEAR, flatter, "on the left of") == 1.0
    assert side_score(NEAR, NEAR, "on the left of") == 0.0


@given(st.tuples(*[st.integers(0, 50)] * 4), st.tuples(*[st.integers(0, 50)] * 4))
def test_a_pair_of_boxes_has_one_relationship_at_most_and_its_mirror_the_opposite(
    first: tuple[int, int, int, int], second: tuple[int, int, int, int]
) -> None:
    one, other = ((x, y, x + w, y + h) for x, y, w, h in (first, second))
    scores = {relationship: side_score(one, other, relationship) for relationship in RELATIONSHIPS}
    assert sum(value > 0 for value in scores.values()) <= 1
    assert all(0 <= value <= 1 for value in scores.values())
    assert side_score(other, one, "on the right of") == scores["on the left of"]
    assert side_score(other, one, "on the bottom of") == scores["on the top of"]
    assert overlap(one, other) == overlap(other, one) <= 1


def test_an_action_has_to_be_among_the_five_likeliest_and_sure() -> None:
    others = [Action(label=f"other {number}", score=0.99) for number in range(5)]
    wanted = Action(label="Jogging", score=0.9)
    assert human_action([wanted, *others[:4]], "jogging") == 1.0
    assert human_action([wanted, *others], "jogging") == 0.0, "sixth"
    assert [human_action([Action(label="jogging", score=score)], "jogging") for score in (0.84996, 0.84994)] == [1, 0]
    assert human_action([], "jogging") == 0.0


def test_a_scene_is_all_of_its_words_anywhere_in_the_caption() -> None:
    assert scene(["a train at a station with a platform"], "train station platform") == 1.0
    assert scene(["a train", "a barn"], "bar") == 0.5, "'bar' is in 'barn', as on the leaderboard"


@given(st.integers(1, 200))
def test_sixteen_frames_of_any_video_in_order(total: int) -> None:
    places = sampled_frames(total)
    assert len(places) == 16
    assert places == sorted(places)
    assert 0 <= places[0] <= places[-1] < total
    if total >= 16:
        assert len(set(places)) == 16
    else:
        assert places == [*range(total), *[total - 1] * (16 - total)]


def test_what_is_asked_is_read_from_prompts_as_vbench_writes_them() -> None:
    assert action_asked("A person is petting animal (not cat)") == "petting animal (not cat)"
    assert colour_asked("an orange umbrella", {"color": "orange"}) == ("umbrella", "orange")
    assert objects_asked({"object": "scissors and teddy bear"}) == ("scissors", "teddy bear")
    for asks_nothing in ("a person jogging", "A person is "):
        with pytest.raises(ValueError, match="needed 'A person is"):
            action_asked(asks_nothing)
    with pytest.raises(ValueError, match="needed 'a red"):
        colour_asked("a blue car", {"color": "red"})
