"""charlm curve WORKDIR ... [--output=loss.png]

Draws the losses of runs by step in one picture: of training thin, of validation with
dots. The picture of one run is its loss.png. It needs matplotlib.
"""

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from absl import flags

from charlm.cli.app import run_app
from charlm.errors import UserError
from charlm.files import LocalPath

FLAGS = {
    "workdirs": ([], "the runs"),
    "output": (LocalPath(), "the picture; by default loss.png, in the workdir of one"),
}
POSITIONAL = ["workdirs"]
STYLES = {"train": {"alpha": 0.4}, "valid": {"marker": "o", "markersize": 4}}


def curve(values: flags.FlagValues) -> None:
    """Draws the runs that are named, and says where the picture is."""
    from charlm.workdir.metrics import read_metrics

    paths = [Path(path).resolve() for path in expand_wildcards(values.workdirs or ())]
    runs = {path: read_metrics(path) for path in paths}
    drawn = {path: records for path, records in runs.items() if records}
    if not drawn:
        raise UserError("there are no losses to draw; name workdirs, such as runs/*")
    for path in runs.keys() - drawn.keys():
        print(f"{path} has no losses, and is left out", file=sys.stderr)
    first = next(iter(drawn))
    output = Path(values.output or (first if len(drawn) == 1 else Path()) / "loss.png")
    try:
        draw(drawn, output)
    except ImportError as error:
        raise UserError("matplotlib is missing; pip install matplotlib") from error
    except ValueError as error:  # matplotlib's, of a file's kind
        raise UserError(f"{output} cannot be drawn: {error}") from error
    print(f"the loss curve: {output}")


def expand_wildcards(words: Sequence[str]) -> Iterator[str]:
    """Yields the paths that words name, `runs/*` as well: Windows' shells leave it."""
    for word in words:
        names = [word] if os.path.exists(word) else sorted(glob.glob(word))
        yield from names or [word]


def draw(runs: dict[Path, list[dict]], output: Path) -> None:
    """Draws the records of metrics.jsonl of some workdirs to a picture."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    alone = len(runs) == 1
    for number, (path, records) in enumerate(runs.items()):
        for split, style in STYLES.items():
            rows = [record for record in records if record["split"] == split]
            steps = [row["step"] for row in rows]
            losses = [row["nats_per_char"] for row in rows]
            label = split if alone else path.name if split == "valid" else None
            axes.plot(steps, losses, color=f"C{number % 10}", label=label, **style)
    axes.set(xlabel="step", ylabel="nats per character")
    axes.set_title(next(iter(runs)).name if alone else "")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(output, dpi=120)
    plt.close(figure)


# (argv) -> exit status
main = partial(run_app, __doc__ or "", FLAGS, curve, positional=POSITIONAL)

if __name__ == "__main__":
    sys.exit(main())
