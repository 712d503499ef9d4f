"""Goals of the report: a run with 10,000 records and 64 videos within 10 s and 1 GiB, on the screen within 1 s.

make bench ARGS="-k report -s"
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from browser import launched, opened
from harness.records import Measurement, TimingRecord, TrainingRecord
from harness.store import Run
from written_run import write_synthetic_run

RECORDS, VIDEOS = 10_000, 64
GOAL_S, GOAL_BYTES, GOAL_PAINT_MS = 10.0, 2**30, 1000.0
PROGRAM = """
import json, resource, sys, time
from pathlib import Path
start = time.perf_counter()
from harness.store import Run
from reports import html
page = html.write(Run.open(Path(sys.argv[1])))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": time.perf_counter() - start, "peak_bytes": peak, "page_bytes": page.stat().st_size}))
"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Half of the records are timings, the rest training blocks and measurements."""
    run = write_synthetic_run(tmp_path_factory.mktemp("large") / "0badcafe", videos=VIDEOS)
    timings = [one for one in run.read(TimingRecord) if one.launch == 0]
    blocks = run.read(TrainingRecord)
    scores = [one for one in run.read(Measurement) if one.metric == "temporal_flicker"]
    last = max(one.step for one in blocks)
    run.append([one.model_copy(update={"launch": 3 + k}) for k in range(5000 // len(timings)) for one in timings])
    run.append([one.model_copy(update={"step": one.step + last * k}) for k in range(1, 85) for one in blocks])
    run.append([one.model_copy(update={"metric": f"score_{k}"}) for k in range(250) for one in scores])
    return run


def test_a_large_run_is_rendered_in_time_and_in_little_memory(large: Run) -> None:
    lines = sum(len(path.read_text().splitlines()) for path in (large.root / "records").glob("*.jsonl"))
    assert lines >= RECORDS
    done = subprocess.run([sys.executable, "-c", PROGRAM, large.root], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    print(
        f"\n{lines} records, {VIDEOS} videos: {found['seconds']:.1f} s of {GOAL_S:g} s with all imports, "
        f"{found['peak_bytes'] / 2**20:.0f} MiB of {GOAL_BYTES / 2**20:.0f} MiB; "
        f"the page has {found['page_bytes'] / 1e6:.1f} MB"
    )
    assert found["seconds"] <= GOAL_S
    assert found["peak_bytes"] <= GOAL_BYTES


def test_the_page_of_a_large_run_is_painted_at_once(large: Run) -> None:
    page: Path = large.root / "report.html"
    with launched() as browser:
        paints = []
        for _ in range(5):
            with opened(browser, page) as (tab, _seen):
                tab.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
                paints.append(tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    print(f"\nfirst paint: {', '.join(f'{one:.0f}' for one in paints)} ms of {GOAL_PAINT_MS:g} ms")
    assert max(paints) <= GOAL_PAINT_MS
