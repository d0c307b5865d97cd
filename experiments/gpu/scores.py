"""Writes the weights, scores and samples of each run, in one process for each run."""

import json
import subprocess
import sys

from experiments.gpu.plan import TrainingRun
from experiments.gpu.stage import Job, parse_job, read_last_line

STREAMS = 16  # passages that a text is scored in, as in experiments/corpus.py
SAMPLES, TEMPERATURES = 3, (0.5, 0.8, 1.0)
MODEL = "model.json"  # in a workdir: the checkpoint's metadata
NOTES = ("text_sha256", "trained_on")  # of a checkpoint, which come back


def run(job: Job) -> None:
    processes = {}
    for run in job.plan.runs:
        with (job.logs / f"scores-{run.name}.log").open("wb") as log:
            command = job.make_command("scores", run.name)
            processes[run.name] = subprocess.Popen(command, stderr=log)
    for name, process in processes.items():
        if process.wait():
            error = read_last_line(job.logs / f"scores-{name}.log")
            job.report(run=name, error=error)


def score_run(job: Job, run: TrainingRun) -> None:
    """Reports the scores of a run's best checkpoint; first it writes the weights."""
    from charlm import SamplingParams, generate_batch, score
    from charlm.data.corpus import split_slices
    from charlm.training.build import open_text
    from charlm.workdir import model_files

    workdir = job.run_folder / run.name
    model, restored = model_files.load(workdir, "best")
    pack_model(job, run, model.params, restored)
    data = model_files.read_config(workdir).data
    ids = open_text(data).ids
    slices = split_slices(len(ids), data.split)
    scores = {
        part: score(
            model.lm, model.params, ids[slices[part]], streams=STREAMS
        ).nats_per_char
        for part in ("valid", "test")
        if slices[part].stop - slices[part].start > 1
    }
    job.report(run=run.name, step=restored.step, streams=STREAMS, **scores)
    samples = {
        str(temperature): generate_batch(
            model,
            length=job.plan.sample_length,
            num_samples=SAMPLES,
            sampling=SamplingParams(temperature),
        )
        for temperature in TEMPERATURES
    }
    record = {"step": restored.step, "nats_per_char": scores, "samples": samples}
    (workdir / "scores.json").write_text(json.dumps(record, indent=1) + "\n")


def pack_model(job: Job, run: TrainingRun, params, restored) -> None:
    """Writes the weights to the output, and the checkpoint's metadata to the workdir.

    Args:
      job: of this stage.
      run: whose model it is.
      params: of the model.
      restored: its checkpoint.
    """
    import jax

    from charlm.workdir.metadata import FOLDER, read_loss
    from experiments.gpu.weights import write_weights

    workdir = job.run_folder / run.name
    metadata = {
        "step": restored.step,
        "nats_per_char": read_loss(workdir / FOLDER / str(restored.step)),
        "weights": run.dtype,
        "machine": jax.devices()[0].device_kind,
        "notes": {name: restored.notes[name] for name in NOTES},
    }
    (workdir / MODEL).write_text(json.dumps(metadata) + "\n")
    files = write_weights(job.output_folder, run.name, params, run.dtype)
    size = sum(file.stat().st_size for file in files)
    job.report(run=run.name, files=len(files), bytes=size, weights=run.dtype)


def main() -> None:
    from charlm.model.jax_setup import configure_jax

    configure_jax()
    job, name = parse_job(sys.argv[1]), sys.argv[2]
    [run] = [run for run in job.plan.runs if run.name == name]
    score_run(job, run)


if __name__ == "__main__":
    main()
