"""Writes what Google's FVD program feeds I3D, to hold ours to.

Its two steps are written out here; tensorflow-cpu 2.21.0 in an environment of its own does the first one. From the
repository root: PYTHONPATH=tests/support python tests/metrics/golden/make_google_fvd.py

None of it is needed to run the tests.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from formula_clips import formula_clip

HERE = Path(__file__).parent


def main() -> None:
    import tensorflow as tf

    clip = formula_clip(16, 60, 91)[[0, -1]]
    resized = tf.compat.v1.image.resize_bilinear(clip, size=(224, 224)).numpy()
    fed = (2.0 * resized / 255.0 - 1).transpose(3, 0, 1, 2)
    golden = {
        "command": "tests/metrics/golden/make_google_fvd.py",
        "versions": {"tensorflow-cpu": tf.__version__},
        "tolerance": {"absolute": 2e-6, "reason": "rounded to six places"},
        "input": np.round(fed[:, :, ::37, ::37].astype(np.float64), 6).tolist(),
    }
    (HERE / "google_fvd.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
