"""GPUs and TPUs that are not here: what is traced for them, and that it is the same."""

import importlib.metadata
import json
import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import ROOT, door, refused, train_flags
from draws import draw, draw_ids, draw_params
from jax import lax
from jax.extend import backend
from test_training import run_fit

import charlm
from charlm.data.vocab import Vocab
from charlm.errors import UserError
from charlm.evaluation import score
from charlm.generation.generate import generate_batch
from charlm.generation.sampler import CHUNK_DRAWN, SamplingParams, make_sampler
from charlm.interpret.activations import get_reader, record_activations
from charlm.model import cudnn, platform, sharding
from charlm.model.dropout import apply_dropout
from charlm.model.lm import make_language_model, observe, resolve_dtype
from charlm.model.matmul import embedding_lookup
from charlm.model.platform import get_platform, tracing_for
from charlm.model.recurrence import get_lstm_backend, run_stack, unroll_stack
from charlm.training import reporters
from charlm.training.step import cross_entropy_by_mask, nats_per_char
from charlm.workdir.metadata import FOLDER, METADATA, read_newest
from charlm.workdir.model_files import read_config
from experiments.accelerators import layouts, targets
from experiments.accelerators.fixes import FIXES, PINS, without_fixes
from experiments.accelerators.programs import PROGRAMS, Size, read_sizes

KEY = jax.random.key(0)
T, B, D, H, V = 7, 3, 5, 4, 11
SMALL = Size(layers=2, features=8, batch=3, length=5, dropout=0.5)


def near(a, b, tolerance=1e-5):
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance),
        a,
        b,
    )


# Which platform it is.


@pytest.mark.parametrize(
    "version, name",
    [("PJRT C API\ncuda 13000", "cuda"), ("PJRT C API\nrocm 70000", "rocm")],
)
def test_nvidias_gpus_and_amds_are_told_apart(monkeypatch, version, name):
    """cuDNN's gates are ordered as ours; MIOpen's are not."""

    class Backend:
        platform_version = version

    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(backend, "get_backend", Backend)
    with targets.tracing_target(""):  # as if the binding were there
        assert get_platform() == name
        assert cudnn.has_cudnn() == (name == "cuda")


def test_cudnn_can_be_switched_off(monkeypatch):
    with targets.tracing_target("cuda"):
        assert cudnn.has_cudnn()
        monkeypatch.setenv("CHARLM_CUDNN", "0")
        assert not cudnn.has_cudnn()
        monkeypatch.setenv("CHARLM_CUDNN", "off")
        with pytest.raises(UserError, match="CHARLM_CUDNN is 'off'; set it to 0"):
            cudnn.has_cudnn()


def test_the_platform_is_that_of_the_process_unless_another_is_traced_for():
    here = get_platform()
    with pytest.raises(ZeroDivisionError), tracing_for("tpu"):
        assert platform.get_platform() == "tpu"
        raise ZeroDivisionError
    assert get_platform() == here


# cuDNN.


def layers_of(count, d=D):
    """Parameters and states of LSTM layers, all random."""
    params, states = [], []
    for n in range(count):
        wide = d if n == 0 else H
        params.append(
            {
                "wx": np.asarray(draw(wide, 4 * H, seed=3 * n)) / 2,
                "wh": np.asarray(draw(H, 4 * H, seed=3 * n + 1)) / 2,
                "b": draw(4 * H, seed=n),
            }
        )
        c, h = draw(B, H, seed=2 * n), draw(B, H, seed=2 * n + 1)
        states.append(charlm.lstm.initial_state(B, H)._replace(c=c, h=h))
    return params, tuple(states)


def gradients_of(unroll, count, one_hot):
    """Last states, ys, and gradients to parameters, states and inputs of layers."""
    params, states = layers_of(count)
    ids, weights = draw_ids(D, T, B), draw(T, B, H)

    def loss(params, states, xs):
        last, ys = unroll(params, states, ids if one_hot else xs)
        total = (ys * weights).sum() + sum((x**2).sum() for x in jax.tree.leaves(last))
        return total, (last, ys)

    xs = draw(T, B, D)
    graded = jax.jit(jax.value_and_grad(loss, (0, 1, 2), has_aux=True))
    return graded(params, states, xs)


def by_scan(params, states, xs):
    """The slow path: a scan of the step."""
    return lax.scan(
        lambda s, x: run_stack(charlm.lstm.step, params, s, x), tuple(states), xs
    )


# What the first layer reads is ready before the weights are packed.
@pytest.mark.parametrize("count, one_hot", [(1, True), (3, False)])
def test_the_cudnn_path_packs_weights_as_cudnn_reads_them(monkeypatch, count, one_hot):
    """cuDNN's place taken by JAX's own reference for it, on the same packed weights."""
    from jax.experimental import rnn

    def reference(x, h, c, weights, lengths, *sizes_and_precision):
        d, width, layers, _, bidirectional, _ = sizes_and_precision
        parts = rnn.unpack_lstm_weights(weights, d, width, layers, bidirectional)
        return rnn.lstm_ref(
            x, h, c, *parts, lengths, d, width, layers, 0.0, bidirectional
        )

    monkeypatch.setattr(cudnn.jax_rnn, "lstm", reference)
    near(
        gradients_of(by_scan, count, one_hot),
        gradients_of(cudnn.unroll_by_cudnn, count, one_hot),
    )


@pytest.mark.skipif(not cudnn.has_cudnn(), reason="there is no NVIDIA GPU here")
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("one_hot", [False, True])
def test_on_a_gpu_cudnn_under_jit_is_the_scan_in_value_and_gradient(count, one_hot):
    """t is not b, so that neither can be taken for the other."""

    def unroll(params, states, xs):
        return unroll_stack(charlm.lstm, params, states, xs)

    with jax.default_matmul_precision("float32"):
        slow = gradients_of(by_scan, count, one_hot)
        near(slow, gradients_of(unroll, count, one_hot), 1e-4)


def lowered(program, size=SMALL, *, before=()):
    """The text of a program as it would be sent to the compiler of an NVIDIA GPU."""
    mesh = sharding.make_mesh(1)
    with targets.tracing_target("cuda"), without_fixes(*before):
        return PROGRAMS[program](size, mesh, "cuda").as_text()


@pytest.mark.parametrize(
    "program, dropout, calls",
    [
        ("training", 0.5, 4),  # forward and backward of each layer
        ("training", 0.0, 2),  # both layers in one call, forward and backward
        ("scoring", 0.5, 1),
        ("prefill", 0.5, 1),
    ],
)
def test_layouts_are_pinned_around_every_call_of_cudnn(program, dropout, calls):
    size = SMALL._replace(dropout=dropout)
    text = lowered(program, size)
    assert text.count("@cudnn_rnn") == calls
    assert not layouts.find_unpinned(text)
    text = lowered(program, size, before=[PINS])
    assert len(layouts.find_unpinned(text)) == calls


@pytest.mark.parametrize("dtype, cell", [("bfloat16", "lstm"), ("float32", "gru")])
def test_what_cudnn_does_not_compute_is_scanned(dtype, cell):
    assert "@cudnn_rnn" not in lowered(
        "training", SMALL._replace(dtype=dtype, cell=cell)
    )


COMPILED_CALL = (
    "\n  %x.1 = f32[6,9,5]{ORDER} parameter(0)\n  %h = f32[1,6,4]{2,1,0} copy(%y)\n"
    "  %rnn = (f32[6,9,4]{2,1,0}, f32[1,6,4]{2,1,0}, /*index=2*/f32[7]{0})"
    ' custom-call(%x.1, %h), custom_call_target="cudnn_rnn_ffi"\n'
)


@pytest.mark.parametrize("order, ok", [("2,1,0", True), ("2,0,1", False)])
def test_a_compiled_program_tells_in_which_order_cudnn_is_given_its_arrays(order, ok):
    [call] = layouts.read_calls(COMPILED_CALL.replace("ORDER", order))
    assert call.is_row_major == ok and call.name == "cudnn_rnn_ffi"
    assert f"f32[6,9,5]{{{order}}}" in call.arrays and len(call.arrays) == 4


COMPILE = """
from experiments.accelerators import layouts, targets
from experiments.accelerators.fixes import PINS, without_fixes
from experiments.accelerators.programs import Size, PROGRAMS
mesh, size = targets.make_mesh("h100"), Size(2, 128, 6, 10, 0.5)
for before in ([], [PINS]):
    for program in ("training", "scoring"):
        with targets.tracing_target("cuda"), without_fixes(*before):
            compiled = PROGRAMS[program](size, mesh, "cuda").compile()
        print([call.is_row_major for call in layouts.read_calls(compiled.as_text())])
"""


@pytest.mark.skipif(
    bool(targets.find_compiler("h100")), reason="the CUDA plugin of JAX is not here"
)
def test_the_compiler_of_an_h100_gives_cudnn_its_arrays_in_order():
    """In another process: a plugin that is registered stays."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        str([True] * 4),
        "[True]",
        str([False] * 4),
        "[False]",
    ], done.stderr


# The same results by other means, and precisions.


@pytest.mark.parametrize("rate", [0.5, 0.013])
def test_masks_of_a_window_at_once_are_those_of_the_loop(rate):
    xs = draw(20, 10, 51)

    def both(xs):
        ys, pull = jax.vjp(lambda xs: apply_dropout(rate, KEY, xs), xs)
        return ys, pull(xs)

    looped = jax.jit(both)(xs)
    with tracing_for("cuda"):
        program = jax.jit(lambda xs: both(xs)).lower(xs)
    assert "stablehlo.while" not in program.as_text().partition("threefry")[0]
    jax.tree.map(np.testing.assert_array_equal, looped, program.compile()(xs))


def test_the_loss_without_scatter_is_optaxs():
    far = np.arange(B, dtype=np.float32)[:, None] * 100
    logits, targets_ = 5 * np.asarray(draw(T, B, V)) + far, draw_ids(V, T, B)

    def by_index(logits):
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets_)
        return losses.mean(), losses

    def by_mask(logits):
        losses = cross_entropy_by_mask(logits, targets_)
        return losses.mean(), losses

    near(
        *(
            jax.jit(jax.value_and_grad(f, has_aux=True))(logits)
            for f in (by_index, by_mask)
        ),
        tolerance=1e-5,  # float32 of logits near 200
    )


def test_off_the_cpu_no_gradient_is_a_scatter():
    logits, ids = jnp.zeros((T, B, V)), jnp.zeros((T, B), jnp.int32)

    def loss(table):
        return nats_per_char(embedding_lookup(table, ids), ids)

    graded = jax.jit(jax.grad(loss)).lower(logits[0]).as_text()
    assert "stablehlo.scatter" in graded
    with tracing_for("cuda"):
        graded = jax.jit(jax.grad(lambda table: loss(table))).lower(logits[0]).as_text()
    assert "stablehlo.scatter" not in graded
    for dtype in ("float32", "bfloat16"):
        lm = make_language_model(vocab_size=V, features=H, embedding=3, dtype=dtype)

        def loss_of_model(params, lm=lm):
            logits = lm.unroll(params, lm.initial_carry(B), ids, KEY)[1]
            return nats_per_char(logits, ids)

        with targets.tracing_target("cuda"):
            params = jax.eval_shape(lm.init, KEY)
            graded = jax.jit(jax.grad(loss_of_model)).trace(params)
            text = graded.lower(lowering_platforms=("cuda",)).as_text()
        assert "stablehlo.scatter" not in text


def precisions(text):
    """Those of each product of a lowered program, "" for the default."""
    products = [line for line in text.splitlines() if "stablehlo.dot_general" in line]
    return ["HIGHEST" if "HIGHEST" in line else "" for line in products]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("embedding", [0, 3])
def test_every_product_of_a_float32_step_is_exact(monkeypatch, cell, embedding):
    """Those of a backward pass too, which knows no precision of the forward pass."""
    monkeypatch.setenv("CHARLM_CUDNN", "0")
    size = SMALL._replace(cell=cell, embedding=embedding)
    found = precisions(lowered("training", size))
    assert len(found) >= 8 and set(found) == {"HIGHEST"}


def test_products_are_bfloat16_on_a_tpu_unless_float32_is_asked_for():
    for dtype, found in (("auto", "bfloat16"), ("float32", "float32")):
        with tracing_for("tpu"):
            lm = make_language_model(vocab_size=V, features=H, dtype=dtype)
            ids = jnp.zeros(B, jnp.int32)
            params, carry = jax.eval_shape(lm.init, KEY), lm.initial_carry(B)
            text = jax.jit(lm.step).lower(params, carry, ids)
        narrow = text.as_text().count("bf16")
        assert (narrow > 0) == (found == "bfloat16")
    for name, dtype in (("cpu", "float32"), ("cuda", "float32"), ("tpu", "bfloat16")):
        with tracing_for(name):
            assert resolve_dtype("auto") == dtype
            assert resolve_dtype("float32") == "float32"


def test_a_workdir_names_the_type_of_its_products(trained, tmp_path, text_file):
    assert read_config(trained / "run").model.dtype == "float32"
    flags = train_flags(text_file, tmp_path / "run", train__sample_length=0)
    done = door("train", *flags, "--config.model.dtype=bfloat16")
    assert done.returncode == 0 and "products are in bfloat16" in done.stderr, done
    again = door("train", *flags, "--config.model.dtype=auto")  # that of the workdir
    assert again.returncode == 0 and "products are in bfloat16" in again.stderr, again
    done = door("train", *flags, "--config.model.dtype=float32")
    refused(done, "model.dtype is 'bfloat16' there and 'float32' here")


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_gates_of_a_trace_are_as_exact_as_the_model(cell):
    lm = make_language_model(vocab_size=V, cell=cell, features=H)
    params, carry = jax.eval_shape(lm.init, KEY), lm.initial_carry(1)
    with tracing_for("cuda"):
        read = get_reader(lm, ("layer_0/h",), 2)
        loop = carry, jnp.zeros((1, V))
        text = read.lower(params, {}, loop, jnp.zeros(5, jnp.int32))
    found = precisions(text.as_text())
    assert len(found) >= 4 and set(found) == {"HIGHEST"}


def test_a_bfloat16_models_gates_are_those_of_its_own_step():
    lm = make_language_model(vocab_size=V, features=64, layers=2, dtype="bfloat16")
    params, carry = draw_params(lm), lm.initial_carry(B)
    for ids in map(jnp.asarray, np.asarray(draw_ids(V, T, B))):
        after, logits, values = observe(lm, params, carry, ids)
        near((after, logits), lm.step(params, carry, ids), 0)
        for n in range(2):
            i, f, g = (values[f"layer_{n}/{gate}"] for gate in "ifg")
            np.testing.assert_array_equal(after[n].c, f * carry[n].c + i * g)
        carry = after
    vocab = Vocab.of("".join(map(chr, range(97, 97 + V))))
    recorded = record_activations((lm, params, vocab), "abc")
    assert recorded.signals["layer_1/f"].any()


@pytest.mark.parametrize(
    "sampling",
    [SamplingParams(), SamplingParams(1.0, 3, 0.8), SamplingParams(temperature=0.0)],
)
def test_drawing_in_static_steps_draws_the_same(sampling):
    """With a prompt that is read in static steps as well."""
    vocab = Vocab.of("abcdefghijk")
    lm = make_language_model(vocab_size=V, features=H, layers=2)
    params = draw_params(lm, scale=0.5)
    options: dict[str, Any] = {"length": CHUNK_DRAWN + 9, "num_samples": 2}
    options |= {"sampling": sampling, "seed": 1}
    model, prompt = (lm, params, vocab), "abcdefgh" * 17
    expected = generate_batch(model, prompt, **options)
    with tracing_for("cuda"):
        texts = generate_batch(model, prompt, **options)
    assert texts == expected


def test_off_the_cpu_the_host_waits_once_for_all_characters_of_a_dispatch():
    lm = make_language_model(vocab_size=V, features=H, layers=1)
    sampler, params = make_sampler(lm), jax.eval_shape(lm.init, KEY)

    def prefill(params):
        return sampler.prefill(params, np.zeros(1, np.int32), 1)

    weights = jax.eval_shape(sampler.pack_params, params)
    state, keys = jax.eval_shape(prefill, params), jax.random.split(KEY, 1)
    sampling = SamplingParams(jnp.float32(1), jnp.int32(0), jnp.float32(1))
    with tracing_for("cuda"):
        decode: Any = sampler.decode
        programs = [
            decode.trace(weights, state, keys, sampling, 5, narrow=narrow)
            for narrow in (True, False)
        ]
    for program in programs:
        [loop] = [e for e in program.jaxpr.eqns if e.primitive.name == "scan"]
        assert loop.params["length"] == CHUNK_DRAWN
        assert "cond[" not in str(loop.params["jaxpr"])


# What the device has.


@pytest.mark.parametrize("memory, length", [(0, 40), (16 << 30, 512), (2 << 20, 64)])
def test_an_accelerator_scores_in_windows_as_long_as_its_memory_allows(
    monkeypatch, memory, length
):
    lm = make_language_model(vocab_size=V, features=H)
    carry = lm.initial_carry(B)
    assert score._compute_dispatch_length(carry, V, 50, 500) == 60  # whole chunks
    monkeypatch.setattr(sharding, "get_memory", lambda: memory)
    with tracing_for("cuda"):
        assert score._compute_dispatch_length(carry, V, 40, 500) == length


def test_a_score_does_not_depend_on_the_length_of_a_dispatch():
    ids = np.random.default_rng(0).integers(0, V, 301).astype(np.uint8)
    wanted, found = [], []
    for results, name in ((wanted, "cpu"), (found, "tpu-like")):
        lm = make_language_model(vocab_size=V, features=H)
        params = draw_params(lm)
        with tracing_for(name):
            for way in ({"streams": 4}, {"window": 32, "streams": 3}):
                results.append(score.score(lm, params, ids, **way))
    near([s.nats_per_char for s in found], [s.nats_per_char for s in wanted], 1e-6)
    assert [s.characters for s in found] == [300, 300]


def test_a_text_stays_on_a_device_that_has_room(tmp_path, monkeypatch):
    """By default a tenth of its memory; the run is the same wherever the text is."""
    roomy = run_fit(tmp_path / "roomy", steps=5, sample_length=0)
    read = []
    windows = charlm.Streams.read
    monkeypatch.setattr(
        charlm.Streams, "read", lambda self, i: (read.append(i), windows(self, i))[1]
    )
    monkeypatch.setattr(sharding, "get_memory", lambda device: 1000)
    tight = run_fit(tmp_path / "tight", steps=5, sample_length=0)
    assert read and jax.tree.all(
        jax.tree.map(np.array_equal, roomy.params, tight.params)
    )


# Checkpoints.


def test_a_checkpoint_says_on_what_it_was_trained_and_a_resume_elsewhere_too(
    tmp_path, monkeypatch
):
    said = []

    class Reporter(reporters.Reporter):
        def say(self, text):
            said.append(text)

    options: dict[str, Any] = {"reporter": Reporter(), "sample_length": 0}
    run_fit(tmp_path, steps=4, **options)
    here = read_newest(tmp_path)[1]["notes"]["trained_on"]
    assert here == {
        "machine": sharding.get_machine_name(),
        "jax": jax.__version__,
        "lstm": "scan",
    }
    with tracing_for("tpu"):
        assert get_lstm_backend() == "Pallas"
    with targets.tracing_target("cuda"):
        assert get_lstm_backend() == "cuDNN"
    run_fit(tmp_path, steps=6, **options)
    assert said == ["resumed from step 4"]
    monkeypatch.setattr(sharding, "get_machine_name", lambda: "NVIDIA H100")
    run_fit(tmp_path, steps=8, **options)
    assert said[1:] == [
        "resumed from step 6",
        "trained on another machine so far: machine was"
        f" {here['machine']} and is NVIDIA H100; its losses continue as they would"
        " have, but not to the last bit",
    ]


def test_checkpoints_are_written_from_a_source_tree_that_is_not_installed(
    tmp_path, monkeypatch
):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    run_fit(tmp_path, steps=2, sample_length=0)
    kept = json.loads((tmp_path / FOLDER / "2" / METADATA).read_text())
    assert kept["custom_metadata"]["charlm"] == charlm.__version__


def test_every_config_has_a_size_to_compile():
    sizes = read_sizes()
    assert sizes["linux"] == Size(3, 680, 100, 100, dtype="auto")
    assert {"default", "text", "demo"} <= set(sizes)


def test_what_a_program_is_compiled_without_is_back_afterwards():
    before = [getattr(module, name) for module, name, _ in FIXES.values()]
    with without_fixes(*FIXES):
        changed = [getattr(module, name) for module, name, _ in FIXES.values()]
        assert not set(map(id, before)) & set(map(id, changed))
    assert before == [getattr(module, name) for module, name, _ in FIXES.values()]


def test_the_tables_of_the_readme_are_those_of_the_results():
    from experiments.accelerators.run import FOLDER, TABLES, make_table

    readme = (FOLDER / "README.md").read_text()
    for target, tables in TABLES.items():
        results = json.loads((FOLDER / f"results-{target}.json").read_text())
        for name, (title, columns, _) in tables.items():
            assert f"{title}\n\n{make_table(columns, results[name])}\n" in readme
