"""Writes what published programs give for NIQE and BRISQUE, to hold ours to.

Each runs in an environment of its own, from the repository root with PYTHONPATH=tests/support:

NIQE, Python 3.7, numpy==1.16.6 scipy==1.2.3 pillow==6.2.2, the wheel scikit-video==1.1.11 unpacked into FOLDER:
python -W ignore tests/metrics/golden/make_picture_quality.py niqe FOLDER

BRISQUE, opencv-contrib-python-headless==4.11.0.86, the wheel brisque==0.2.0 unpacked into FOLDER (only its two model
files are read):
python tests/metrics/golden/make_picture_quality.py brisque FOLDER

None of it is needed to run the tests.
"""

import json
import pickletools
import platform
import sys
import tempfile
from pathlib import Path

import numpy as np

from dead_leaves import dead_leaves, grainy, soft

HERE = Path(__file__).parent
PICTURES = {"clean": dead_leaves(), "grainy": grainy(dead_leaves()), "soft": soft(dead_leaves())}
WHY = "it computes in float32, so that a shape, found on a grid of 0.001, can be the neighbouring one"


def niqe(folder):
    sys.path.insert(0, str(folder))
    __import__("skvideo.measure")
    program = sys.modules["skvideo.measure.niqe"]  # its package has a function of this name
    found = {}
    for name, picture in PICTURES.items():
        grey = ((picture.astype(np.int64) @ np.array([299, 587, 114]) + 500) // 1000).astype(np.uint8)
        features = program.get_patches_test_features(grey, 96)
        found[name] = {
            "value": round(float(program.niqe(grey[None, :, :, None])[0]), 5),
            "features": [[round(float(number), 6) for number in patch] for patch in features],
        }
    tolerance = {"value_relative": 0.001, "features_absolute": 0.0011, "reason": WHY}
    write(
        "niqe", "NIQE of three pictures, and the 36 features of their patches, by scikit-video 1.1.11", tolerance, found
    )


def brisque(folder):
    import cv2

    with tempfile.TemporaryDirectory() as place:
        model, value_range = (str(Path(place) / name) for name in ("model.yml", "range.yml"))
        Path(model).write_text(opencv_model((folder / "brisque/models/svm.txt").read_text()))
        pickled = (folder / "brisque/models/normalize.pickle").read_bytes()
        numbers = [argument for code, argument, _ in pickletools.genops(pickled) if code.name == "BINFLOAT"]
        file = cv2.FileStorage(value_range, cv2.FILE_STORAGE_WRITE)
        file.write("range", np.array(numbers, np.float32).reshape(2, 36))
        file.release()
        program = cv2.quality.QualityBRISQUE_create(model, value_range)
    found = {}
    for name, picture in PICTURES.items():
        bgr = np.ascontiguousarray(picture[..., ::-1])
        features = cv2.quality.QualityBRISQUE_computeFeatures(bgr).ravel()
        found[name] = {
            "value": round(program.compute(bgr)[0], 5),
            "features": [round(float(number), 6) for number in features],
        }
    tolerance = {"value_absolute": 0.05, "features_absolute": 0.0011, "reason": WHY}
    write("brisque", "BRISQUE of three pictures and their 36 features, by OpenCV " + cv2.__version__, tolerance, found)


def opencv_model(libsvm):
    """A regression in OpenCV's text format."""
    head, _, body = libsvm.partition("\nSV\n")
    facts = dict(line.split(" ", 1) for line in head.splitlines())
    rows = [line.split() for line in body.splitlines()]
    vectors = np.zeros((len(rows), 36))
    for vector, row in zip(vectors, rows):  # noqa: B905 (Python 3.7 reads this file, too)
        for entry in row[1:]:
            index, value = entry.split(":")
            vector[int(index) - 1] = float(value)
    lines = [
        "%YAML:1.0\n---\nopencv_ml_svm:\n   format: 3\n   svmType: EPS_SVR\n   kernel:\n      type: RBF",
        f"      gamma: {facts['gamma']}\n   C: 1024.\n   p: 0.1",
        "   term_criteria: { iterations:1000, epsilon:1e-7 }\n   var_count: 36\n   class_count: 0",
        f"   sv_total: {len(rows)}\n   support_vectors:",
        *(f"      - [ {', '.join(f'{number:.8e}' for number in vector)} ]" for vector in vectors),
        f"   decision_functions:\n      -\n         sv_count: {len(rows)}\n         rho: {facts['rho']}",
        f"         alpha: [ {', '.join(f'{float(row[0]):.8e}' for row in rows)} ]",
        f"         index: [ {', '.join(str(number) for number in range(len(rows)))} ]",
    ]
    return "\n".join(lines) + "\n"


def write(name, what, tolerance, found):
    """A line for each picture."""
    about = {
        "what": what,
        "pictures": "dead_leaves() of tests/support, as it is (clean), grainy() and soft()",
        "command": "tests/metrics/golden/make_picture_quality.py " + name,
        "versions": {"numpy": np.__version__, "python": platform.python_version()},
        "tolerance": tolerance,
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in {**about, **found}.items()]
    (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    {"niqe": niqe, "brisque": brisque}[sys.argv[1]](Path(sys.argv[2]))
