"""python experiments/faults/run.py [--seed=0] [--scale=1.0] [--only NAME ...]

The campaign: faults and bad inputs by the thousand, each of whose outcomes must be the
same result as undisturbed, or one line of error and nothing changed. A scale of 1 is
the whole of it. The file of results keeps the last row of each campaign.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from disk import fill_disk
from downloads import kill_downloading
from fuzz import fuzz, fuzz_doors
from harm import harm_files
from kills import kill_encoding, kill_saving, kill_training
from oddities import jump_clocks, run_twins

# campaign: how many tries are the whole of it
CAMPAIGNS = {
    "training": (kill_training, 100),
    "saving": (kill_saving, 100),
    "encoding": (kill_encoding, 40),
    "downloading": (kill_downloading, 60),
    "harm": (harm_files, 600),
    "disk": (fill_disk, 60),
    "clocks": (jump_clocks, 30),
    "twins": (run_twins, 30),
    "fuzz": (fuzz, 11_000),
    "flags": (fuzz_doors, 500),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", nargs="+", choices=CAMPAIGNS, default=[*CAMPAIGNS])
    beside = Path(__file__).parent / "results.json"
    parser.add_argument("--results", type=Path, default=beside)
    given = parser.parse_args()
    kept = given.results
    results = json.loads(kept.read_text()) if kept.exists() else {}
    lost = 0
    print(f"{'campaign':28}{'tries':>8}{'identical':>11}{'one line':>10}{'lost':>6}")
    for name in given.only:
        campaign, times = CAMPAIGNS[name]
        draw = random.Random(f"{given.seed} {name}")
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="charlm-faults-") as folder:
            os.environ["CHARLM_CACHE"] = f"{folder}/cache"
            tally = campaign(max(1, round(times * given.scale)), draw, Path(folder))
        row = tally.row()
        print("{:28}{:8,}{:11,}{:10,}{:6}".format(*row.values()), flush=True)
        seconds = round(time.monotonic() - began)
        results[name] = row | {"seed": given.seed, "seconds": seconds}
        lost += len(tally.bugs)
        kept.write_text(json.dumps(results, indent=1) + "\n")
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
