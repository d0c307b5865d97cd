"""The weights of each run, its scores, and what it writes: a process a run, at once."""

import json
import subprocess
import sys

from experiments.gpu.plan import Run
from experiments.gpu.stage import Job, read_job, read_last_line

STREAMS = 16  # stretches that a text is scored in, as in experiments/corpus.py
SAMPLES, TEMPERATURES = 3, (0.5, 0.8, 1.0)
MODEL = "model.json"  # in a workdir: what of its checkpoint is no weight


def run(job: Job) -> None:
    runs = [each for lane in job.plan.lanes for each in lane]
    processes = {}
    for each in runs:
        with (job.logs / f"scores-{each.name}.log").open("wb") as log:
            command = job.command("scores", each.name)
            processes[each.name] = subprocess.Popen(command, stderr=log)
    for name, process in processes.items():
        if process.wait():
            why = read_last_line(job.logs / f"scores-{name}.log")
            job.report(run=name, error=why)


def score_run(job: Job, each: Run) -> None:
    """Reports a run's best checkpoint; its weights are written first."""
    from charlm import evaluate, sample
    from charlm.data.corpus import split_slices
    from charlm.training.build import corpus_of
    from charlm.workdir import model_files

    workdir = job.folder / each.name
    model, restored = model_files.load(workdir, "best")
    pack_model(job, each, model.params, restored)
    data = model_files.read_config(workdir)["data"]
    corpus = corpus_of(data)
    cut = split_slices(len(corpus.ids), data["split"])
    scores = {
        part: evaluate(
            model.lm, model.params, corpus.ids[cut[part]], streams=STREAMS
        ).nats_per_char
        for part in ("valid", "test")
        if cut[part].stop - cut[part].start > 1
    }
    job.report(run=each.name, step=restored.step, streams=STREAMS, **scores)
    written = {
        str(temperature): sample(
            *model, length=job.plan.length, samples=SAMPLES, temperature=temperature
        )
        for temperature in TEMPERATURES
    }
    kept = {"step": restored.step, "nats_per_char": scores, "samples": written}
    (workdir / "scores.json").write_text(json.dumps(kept, indent=1) + "\n")


def pack_model(job: Job, each: Run, params, restored) -> None:
    """Writes the weights to what comes back, and what they belong to to the workdir."""
    import jax

    from charlm.workdir.metadata import FOLDER, read_loss
    from experiments.gpu.weights import write_weights

    workdir = job.folder / each.name
    nats = read_loss(workdir / FOLDER / str(restored.step))
    notes = {
        name: restored.notes[name]
        for name in ("seconds", "text_sha256", "trained_on")
        if name in restored.notes
    }
    about = {
        "step": restored.step,
        "nats_per_char": nats,
        "weights": each.weights,
        "machine": jax.devices()[0].device_kind,
        "notes": notes,
    }
    (workdir / MODEL).write_text(json.dumps(about) + "\n")
    files = write_weights(job.output_folder, each.name, params, each.weights)
    size = sum(file.stat().st_size for file in files)
    job.report(run=each.name, files=len(files), bytes=size, weights=each.weights)


if __name__ == "__main__":
    from charlm.model.jax_setup import configure_jax

    configure_jax()
    given = read_job(sys.argv[1])
    [chosen] = [
        each for lane in given.plan.lanes for each in lane if each.name == sys.argv[2]
    ]
    score_run(given, chosen)
