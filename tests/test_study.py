"""A study is checked as a whole before anything runs; every complaint says where, what and what would do."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.assembly import build_dataset, build_generator
from harness.errors import UsageError
from harness.input_files import read_yaml
from harness.study import Study, load_study, locate, shipped

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def quick() -> dict[str, Any]:
    content: dict[str, Any] = read_yaml(shipped("studies")["quick"])
    return content


def written(content: object, folder: Path) -> Path:
    path = folder / "study.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def complaint(content: object, folder: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_study(written(content, folder))
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(shipped("studies")))
def test_every_shipped_study_resolves(name: str) -> None:
    assert load_study(locate(name, "studies")).name == name


def test_the_sections_shown_in_the_how_to_are_valid(quick: dict[str, Any], tmp_path: Path) -> None:
    page = Path(__file__).parents[1] / "docs" / "howto.md"
    shown = re.findall(r"```yaml\n(.*?)```", page.read_text(), flags=re.DOTALL)
    assert len(shown) == 1
    study = load_study(written(quick | yaml.safe_load(shown[0]), tmp_path))
    data = build_dataset(study)
    for entry in study.generators:
        build_generator(study, data, label=entry.label, seed=0, weights=None)


def test_a_resolved_study_written_and_read_again_is_the_same_study(quick: dict[str, Any], tmp_path: Path) -> None:
    study = load_study(written(quick, tmp_path))
    again = load_study(written(study.to_yaml(), tmp_path))
    assert again == study
    assert again.digest() == study.digest()


def set_at(*path: str | int, value: object) -> Edit:
    def edit(content: dict[str, Any]) -> None:
        place: Any = content
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (set_at("trianing", value={}), "unknown key 'trianing' at 'trianing'. Did you mean 'training'?"),
        (set_at("training", "stps", value=3), "unknown key 'stps' at 'training.stps'. Did you mean 'steps'?"),
        (
            set_at("generators", 1, "optoins", value={}),
            "unknown key 'optoins' at 'generators[1].optoins'. Did you mean 'options'?",
        ),
        (
            set_at("latency", "zzz", value=1),
            "Known here: videos, launches, more_launches, blocks, stretch_s, precision, budget_s",
        ),
        (set_at("data", "nme", value=1), "Did you mean 'name'?"),
    ],
)
def test_an_unknown_key_is_named_with_its_place_and_the_nearest_known_one(
    quick: dict[str, Any], tmp_path: Path, edit: Edit, said: str
) -> None:
    edit(quick)
    assert said in complaint(quick, tmp_path)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (set_at("generators", 0, "name", value="ful-rate"), "unknown generator 'ful-rate'"),
        (set_at("metrics", 0, value="fdv"), "unknown metric 'fdv'"),
        (set_at("backbone", "name", value="big-unet"), "unknown backbone 'big-unet'"),
        (set_at("data", "name", value="digits"), "unknown dataset 'digits'"),
        (set_at("reports", value=["pdf"]), "unknown reporter 'pdf'"),
        (set_at("claims", value="tpdif"), "unknown claims file 'tpdif'"),
    ],
)
def test_an_unknown_plugin_is_named_with_the_list_of_known_ones(
    quick: dict[str, Any], tmp_path: Path, edit: Edit, said: str
) -> None:
    edit(quick)
    quick["control"] = quick["generators"][0]["name"]
    message = complaint(quick, tmp_path)
    assert said in message
    assert "Known: " in message


def test_an_unknown_plugin_is_found_at_its_place(quick: dict[str, Any], tmp_path: Path) -> None:
    quick["metrics"][2] = "nonsense"
    assert "study.yaml: metrics[2]" in complaint(quick, tmp_path)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (set_at("training", "steps", value="many"), "training.steps: Input should be a valid integer"),
        (set_at("training", "steps", value=0), "training.steps: Input should be greater than or equal to 1"),
        (set_at("training", "ema", value=1), "training.ema[0]: Input should be less than 1 (got 1)"),
        (set_at("training", "ema", value=[0.9, -1]), "training.ema[1]: Input should be greater than or equal to 0"),
        (set_at("training", "ema", value=[]), "training.ema: Tuple should have at least 1 item"),
        (set_at("training", "ema", value=[0.9, 0.9]), "training.ema: a decay is listed twice"),
        (set_at("training", "precision", value="half"), "training.precision: Input should be 'float32', 'bfloat16' or"),
        (
            set_at("training", "accumulate", value=5),
            "training: a batch of 24 clips cannot be cut into accumulate = 5 equal parts; "
            "set accumulate to one of 1, 2, 3, 4, 6, 8, 12, 24, or batch to a multiple of 5, e.g. 25",
        ),
        (set_at("device", value="tpu"), "device: String should match pattern"),
        (set_at("name", value="../escape"), "name: String should match pattern"),
        (set_at("generators", value=[]), "generators: Tuple should have at least 1 item"),
        (set_at("generators", 1, "label", value="full-rate"), "two generators are labelled 'full-rate'"),
        (set_at("generators", 1, "label", value="real"), "and not 'real'"),
        (set_at("generators", 1, "label", value="a/b"), "a label is 1 to 64 letters"),
        (set_at("control", value="nobody"), "control 'nobody' is none of the generators: full-rate, tpdiff"),
        (set_at("generators", 1, "weights_of", value="nobody"), "weights_of can be: full-rate"),
        (set_at("generators", 1, "weights_of", value="tpdiff"), "weights_of can be: full-rate"),
        (set_at("seeds", value=[1, 1]), "seeds lists a value twice"),
        (set_at("metrics", value=["kvd[transnetv2]"] * 2), "metrics lists a value twice"),
        (set_at("training", value=None), "training: Input should be"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_what_would(
    quick: dict[str, Any], tmp_path: Path, edit: Edit, said: str
) -> None:
    edit(quick)
    assert said in complaint(quick, tmp_path)


def test_all_complaints_come_at_once(quick: dict[str, Any], tmp_path: Path) -> None:
    del quick["sampling"]
    quick["training"]["batch"] = 0
    quick["zzz"] = 1
    message = complaint(quick, tmp_path)
    assert "'sampling' is missing" in message
    assert "training.batch" in message
    assert "unknown key 'zzz'" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nseed: 1\nname: b\n", "key 'name' is given twice"),
        ("training:\n  steps: 1\n  steps: 2\n", "key 'steps' is given twice"),
        ("- a\n- b\n", "expected keys and values at the top, got list"),
        ("", "expected keys and values at the top, got NoneType"),
        ("a: [1\n", "is no YAML"),
        ("a: !!python/object/apply:os.system ['true']\n", "is no YAML"),
        ("[1, 2]: 3\n", "is no YAML"),
        ("[" * 20_000, "nested deeper"),
    ],
)
def test_a_file_that_is_no_study_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in complaint(text, tmp_path)


def test_a_merged_mapping_may_be_overridden(tmp_path: Path) -> None:
    path = written("base: &base {a: 1, b: 2}\nmore:\n  <<: *base\n  b: 3\n", tmp_path)
    assert read_yaml(path)["more"] == {"a": 1, "b": 3}


def test_a_huge_file_is_not_parsed(tmp_path: Path) -> None:
    assert "more than 1 MB" in complaint("# " + "x" * 1_000_000, tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is no YAML"):
        load_study(path)


def test_a_study_is_found_by_name_by_shipped_path_and_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("quick", "studies") == locate("studies/quick.yaml", "studies") == shipped("studies")["quick"]
    mine = written("name: mine\n", tmp_path)
    assert locate(str(mine), "studies") == mine
    with pytest.raises(UsageError, match="Did you mean 'quick'"):
        locate("quik", "studies")
    with pytest.raises(UsageError, match="neither a file nor a shipped one"):
        locate("elsewhere/quick.yaml", "studies")


def test_the_digest_names_what_is_computed_and_not_how_it_is_told(quick: dict[str, Any]) -> None:
    study = Study.model_validate(quick)
    for cosmetic in ({"description": "other words"}, {"reports": ["csv"]}):
        assert Study.model_validate({**quick, **cosmetic}).digest() == study.digest()
    for decisive in ({"seed": 7}, {"metrics": ["kvd[transnetv2]"]}, {"threads": 1}, {"device": "cuda"}):
        assert Study.model_validate({**quick, **decisive}).digest() != study.digest()


def test_one_decay_may_be_written_as_a_number_or_as_a_list_of_one(quick: dict[str, Any]) -> None:
    number, listed, more = deepcopy(quick), deepcopy(quick), deepcopy(quick)
    number["training"]["ema"], listed["training"]["ema"], more["training"]["ema"] = 0.9, [0.9], [0.9, 0.99]
    one, same, other = (Study.model_validate(content) for content in (number, listed, more))
    assert one == same
    assert one.training.ema == (0.9,)
    assert one.digest() == same.digest() != other.digest()


def test_every_option_of_training_survives_being_written_and_read(quick: dict[str, Any], tmp_path: Path) -> None:
    options = {"ema": [0.9, 0.5], "accumulate": 3, "precision": "float16", "compile": True}
    quick["training"] |= options | {"activation_checkpointing": True}
    study = load_study(written(quick, tmp_path))
    again = load_study(written(study.to_yaml(), tmp_path))
    assert again == study
    assert again.digest() == study.digest()
    assert again.training.ema == (0.9, 0.5)


def test_a_generator_is_labelled_by_its_name_or_its_class(quick: dict[str, Any]) -> None:
    quick["generators"].append({"name": "some/where.py:MyIdea"})
    study = Study.model_validate(quick)
    assert [entry.label for entry in study.generators] == ["full-rate", "tpdiff", "MyIdea"]
    assert study.generator("MyIdea").name == "some/where.py:MyIdea"


def test_words_of_yaml_1_1_stay_words(tmp_path: Path) -> None:
    file = tmp_path / "words.yaml"
    file.write_text("alignment: off\nanswer: no\ntruth: true\nlie: False\nnumber: 3\n")
    assert read_yaml(file) == {"alignment": "off", "answer": "no", "truth": True, "lie": False, "number": 3}
