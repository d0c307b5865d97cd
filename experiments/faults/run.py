"""Runs the campaigns of faults and bad inputs: python -m experiments.faults.run

[--seed=0] [--scale=1.0] [--only NAME[=TRIES] ...] [--results=FILE]: each fault must end
in the same result as a run without it, or in one line of error and no change. A scale
of 1 is the whole. The file of results has the last row of each campaign.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from experiments.faults.clocks import jump_clocks
from experiments.faults.concurrency import run_two
from experiments.faults.corruption import corrupt_files
from experiments.faults.disk import fill_disk
from experiments.faults.downloads import kill_downloading
from experiments.faults.flags import fuzz_flags
from experiments.faults.fuzz import fuzz
from experiments.faults.kills import kill_encoding, kill_saving, kill_training
from experiments.faults.settings import change_settings
from experiments.report import write_results

# By the name of a campaign: its function, and the tries of the whole.
CAMPAIGNS = {
    "training": (kill_training, 100),
    "saving": (kill_saving, 100),
    "encoding": (kill_encoding, 40),
    "downloading": (kill_downloading, 60),
    "corruption": (corrupt_files, 600),
    "disk": (fill_disk, 60),
    "clocks": (jump_clocks, 30),
    "concurrency": (run_two, 30),
    "fuzz": (fuzz, 11_000),
    "flags": (fuzz_flags, 500),
    "settings": (change_settings, 60),
}
# The names that two campaigns had when results.json was measured: a seed draws the same
# faults as then.
SEED_NAMES = {"corruption": "harm", "concurrency": "twins"}


def read_choice(choice: str) -> tuple[str, int]:
    """Returns a campaign's name, and its tries or 0: of "disk=2", or of "disk"."""
    name, _, tries = choice.partition("=")
    if name not in CAMPAIGNS or (tries and not tries.isdecimal()):
        raise SystemExit(f"error: --only={choice}: choose among {', '.join(CAMPAIGNS)}")
    return name, int(tries or 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", nargs="+", default=CAMPAIGNS)
    default = Path(__file__).parent / "results.json"
    parser.add_argument("--results", type=Path, default=default)
    arguments = parser.parse_args()
    path = arguments.results
    results = json.loads(path.read_text()) if path.exists() else {}
    lost = 0
    print(f"{'campaign':28}{'tries':>8}{'identical':>11}{'one line':>10}{'lost':>6}")
    for name, tries in map(read_choice, arguments.only):
        campaign, whole = CAMPAIGNS[name]
        rng = random.Random(f"{arguments.seed} {SEED_NAMES.get(name, name)}")
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="charlm-faults-") as folder:
            os.environ["CHARLM_CACHE"] = f"{folder}/cache"
            times = tries or max(1, round(whole * arguments.scale))
            tally = campaign(times, rng, Path(folder))
        row = tally.make_row()
        print("{:28}{:8,}{:11,}{:10,}{:6}".format(*row.values()), flush=True)
        seconds = round(time.monotonic() - start)
        results[name] = row | {"seed": arguments.seed, "seconds": seconds}
        lost += len(tally.bugs)
        write_results(path, results)
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
