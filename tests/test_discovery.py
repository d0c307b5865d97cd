"""Discovery: scores are exact, noise finds nothing, what is planted is found."""

import json
import math
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from charlm import Vocab, make_language_model
from charlm.errors import UserError
from charlm.interpret.activations import trace
from charlm.interpret.units.auc import ranked, scores, scores_of, target_of
from charlm.interpret.units.baselines import context_controls
from charlm.interpret.units.permutation_test import (
    DISTANCE,
    LEAST,
    shifts_of,
    thresholds_of,
)
from charlm.interpret.units.results import Finding, Findings, as_records, interpretable
from charlm.interpret.units.selection import best_scores, find
from experiments.cells.gate_statistics import saturation, time_scales


class Label(NamedTuple):
    """As charlm.interpret.labels.selection.Label, which is made from texts."""

    name: str
    values: np.ndarray
    graded: bool = False
    where: np.ndarray | None = None
    about: str = ""
    post: bool = False


def naive_auc(unit, label):
    """2 AUC - 1 by comparing each pair of a yes and a no."""
    yes, no = unit[label == 1], unit[label == 0]
    return np.sign(yes[:, None].astype(int) - no[None].astype(int)).mean()


def naive_ranks(values):
    """Average ranks by comparing all with all."""
    return (values[None] < values[:, None]).sum(1) + (
        values[None] == values[:, None]
    ).sum(1) / 2


def naive_rho(unit, label):
    return np.corrcoef(naive_ranks(unit), naive_ranks(label))[0, 1]


def naive(unit, label):
    """The score of a unit on a label, in O(n^2)."""
    rows = slice(None) if label.where is None else label.where
    unit, values = unit[rows], label.values[rows]
    if len(unit) == 0 or np.ptp(unit) == 0 or np.ptp(values) == 0:
        return 0
    return (naive_rho if label.graded else naive_auc)(unit, values)


SMALL = arrays.arrays(np.int8, (30, 3), elements=st.integers(-3, 3))
YES_NO = arrays.arrays(np.float32, 30, elements=st.sampled_from([0, 1]))
GRADES = arrays.arrays(np.float32, 30, elements=st.sampled_from([0, 0.5, 2, 7]))
WHERE = st.none() | arrays.arrays(bool, 30)


@settings(max_examples=200)
@given(units=SMALL, yes_no=YES_NO, grades=GRADES, where=WHERE)
def test_scores_are_exact_with_ties_and_gaps(units, yes_no, grades, where):
    for label in Label("a", yes_no, False, where), Label("b", grades, True, where):
        expected = [naive(unit, label) for unit in units.T]
        assert scores(units, label) == pytest.approx(expected, abs=1e-5)


def test_scores_are_exact_of_16_bits_and_of_many_places():
    rng = np.random.default_rng(0)
    units = rng.integers(-32768, 32768, (2000, 3)).astype(np.int16)
    units[:, 1] //= 8192
    for label in (
        Label("a", (units[:, 1] + rng.normal(size=2000) > 1).astype(np.float32)),
        Label("b", (units[:, 0] // 5000).astype(np.float32), True),
    ):
        expected = [naive(unit, label) for unit in units.T]
        assert scores(units, label) == pytest.approx(expected, abs=1e-5)


def test_scores_keep_their_sign_and_know_no_scale():
    label = Label("a", np.arange(50) % 2, False)
    unit = (np.arange(50) % 2 * 9 - 4).astype(np.int8)
    units = np.stack([unit, -unit, unit // 2, 0 * unit], axis=1)
    assert scores(units, label).tolist() == pytest.approx([1, -1, 1, 0])


def test_ranks_in_blocks_are_those_of_one(monkeypatch):
    units = np.random.default_rng(0).integers(-9, 9, (40, 7)).astype(np.int8)
    target = target_of(np.arange(40.0), graded=True)
    [whole] = ranked(units)
    shifts = [0, 3, 39, 17]
    expected = scores_of(whole, target, shifts)
    monkeypatch.setattr("charlm.interpret.units.auc.MEMORY", 4 * 40 * 3)
    blocks = [scores_of(ranks, target, shifts) for ranks in ranked(units)]
    assert len(blocks) == 3
    np.testing.assert_allclose(np.concatenate(blocks), expected, atol=1e-6)


@pytest.mark.parametrize("graded", [False, True])
def test_shifted_scores_are_those_of_labels_rolled(graded):
    rng = np.random.default_rng(1)
    units = rng.integers(-9, 9, (60, 4)).astype(np.int8)
    values = rng.integers(0, 2, 60).astype(np.float32)
    [ranks] = ranked(units)
    found = scores_of(ranks, target_of(values, graded=graded), [0, 1, 25])
    for n, shift in enumerate([0, 1, 25]):
        rolled = Label("a", np.roll(values, shift), graded)
        assert found[:, n] == pytest.approx(scores(units, rolled), abs=1e-5)


@given(n=st.integers(LEAST, 10**6), amounts=st.lists(st.floats(0, 1, exclude_max=True)))
def test_labels_are_shifted_by_more_than_1000_either_way(n, amounts):
    shifts = shifts_of(np.asarray(amounts), n)
    assert all(1000 < shift < n - 1000 for shift in shifts)
    ends = shifts_of(np.asarray([0, np.nextafter(1, 0)]), n)
    assert ends.tolist() == [DISTANCE + 1, n - DISTANCE - 1]


def naive_thresholds(highest, family):
    """`thresholds_of`, with the mean and deviation of the others taken one by one."""
    k = highest.shape[1]
    away = np.empty_like(highest)
    for n in range(k):
        others = np.delete(highest, n, axis=1)
        away[:, n] = (highest[:, n] - others.mean(1)) / others.std(1, ddof=1)
    largest = np.sort(away.max(axis=0))
    limit = largest[math.ceil(round((1 - family) * (k + 1), 6)) - 1]
    return highest.mean(1) + limit * highest.std(1, ddof=1)


@pytest.mark.parametrize("k, family", [(19, 0.05), (100, 0.05), (39, 0.1)])
def test_thresholds_are_of_the_whole_family_and_of_each_label(k, family):
    rng = np.random.default_rng(k)
    highest = rng.normal([[0.1], [0.4]], [[0.01], [0.1]], (2, k))
    found = thresholds_of(highest, family)
    assert found == pytest.approx(naive_thresholds(highest, family))
    above = (highest > found[:, None]).any(axis=0).mean()
    assert above <= family + 0.03 and found[1] - 0.4 > 5 * (found[0] - 0.1)


def made_text(rng, t):
    """Lines of words; some stand in quotes, some in parentheses."""
    parts, length = [], 0
    while length < t:
        words = ["abcdefgh"[: rng.integers(1, 8)] for _ in range(rng.integers(2, 12))]
        around = ['"', '"', "(", "(", "", ""][rng.integers(6)]
        parts += [
            around,
            " ".join(words),
            around.replace("(", ")"),
            " \n"[rng.integers(2)],
        ]
        length = sum(map(len, parts[-4:])) + length
    return "".join(parts)[:t]


def labels_of(text):
    """A label of each kind: often, seldom, graded, defined somewhere."""
    codes = np.frombuffer(text.encode(), np.uint8)
    quotes = np.cumsum(codes == ord('"')) % 2
    depth = np.cumsum((codes == ord("(")).astype(int) - (codes == ord(")")))
    places = np.arange(len(codes))
    begins = np.maximum.accumulate(np.where(codes == ord("\n"), places, 0))
    letters = np.maximum.accumulate(np.where(codes < 97, places, 0))
    word = codes >= 97
    return [
        Label("inside quotes", quotes.astype(np.float32)),
        Label("inside parentheses", (depth > 0).astype(np.float32)),
        Label("newline", (codes == ord("\n")).astype(np.float32)),
        Label("place in the line", (places - begins).astype(np.float32), True),
        Label("place in the word", (places - letters).astype(np.float32), True, word),
    ]


def noise(rng, t, h):
    """Units that know nothing and forget at every pace, int8[t, h]."""
    kept = 1 - 10 ** -rng.uniform(0.5, 2.5, h)
    fresh = rng.standard_normal((t, h)) * np.sqrt(1 - kept**2)
    x = np.zeros((t + 1, h))
    for n in range(t):
        x[n + 1] = kept * x[n] + fresh[n]
    return np.rint(np.tanh(x[1:]) * 127).astype(np.int8)


def walks(rng, t, h, nets):
    """What never read a text, {signal: [t, h n]}."""
    return {"layer_0/h": noise(rng, t, h * nets)}


def lstms(rng, t, h, nets):
    """Random LSTMs that remember at every pace and read one text, {signal: [t, h n]}.

    They are one net without a weight between one h units and the next.
    """
    text = made_text(rng, t)
    vocab = Vocab.of(text)
    lm = make_language_model(vocab_size=len(vocab), layers=1, features=h * nets)
    params = jax.tree.map(np.array, lm.init(jax.random.key(0)))
    layer = params["layer_0"]
    own = np.kron(np.eye(nets), np.ones((h, h)))
    layer["wh"] *= np.tile(own, 4) * np.sqrt(nets)
    layer["wx"] *= 5
    layer["b"][h * nets : 2 * h * nets] = rng.uniform(0, 6, h * nets)
    return trace(lm, params, vocab, text, signals=("h", "c", "f")).signals


@pytest.mark.parametrize("made, t, h", [(walks, 8000, 40), (lstms, 20_000, 6)])
def test_in_nets_of_noise_there_is_nothing_to_be_found(made, t, h):
    """At most as often as promised, `family`, in 100 nets and texts.

    The LSTMs did read, but another text than that of the labels.
    """
    rng, nets, lucky = np.random.default_rng(0), 100, 0
    every = made(rng, t, h, nets)
    for net in range(nets):
        signals = {name: u[:, h * net : h * (net + 1)] for name, u in every.items()}
        labels = labels_of(made_text(rng, t))
        found = find(signals, labels, seed=net, candidates=3)
        assert not found.left_out and len(found.units) == h * len(signals)
        assert len(found.labels) == 3 * len(labels)
        lucky += any(each.passed for each in found.units + found.labels)
    assert lucky <= 5


def planted(label, rng, share=0.4):
    """An integer unit that follows a label, and else does something else."""
    values = np.where(label.values > 0, label.values, 0)
    unit = values / values.max() + rng.normal(0, share, len(values))
    return np.rint(np.clip(unit * 60, -127, 127)).astype(np.int8)


@pytest.mark.parametrize("n", [0, 1, 3, 4])
def test_a_unit_that_follows_a_label_is_found_first(n):
    rng = np.random.default_rng(n)
    labels = labels_of(made_text(rng, 12_000))
    signals = {f"layer_{k}/h": noise(rng, 12_000, 20) for k in range(2)}
    untrained = best_scores(signals, labels)
    signals["layer_1/h"][:, 7] = -planted(labels[n], rng)
    found = find(signals, labels, untrained=untrained)
    best = found.units[0]
    assert best[:3] == ("layer_1/h", 7, labels[n].name) and best.passed
    assert best == found.labels[0]
    assert best.score < -0.3 and best.chosen_score < -0.3
    second = slice(6000, None)
    values, where = labels[n].values[second], labels[n].where
    where = None if where is None else where[second]
    half = Label("", values, labels[n].graded, where)
    expected = scores(signals["layer_1/h"][second], half)[7]
    assert best.score == pytest.approx(expected, abs=1e-6)
    assert best.threshold < 0.4 and best.untrained == untrained[best.label]
    assert math.isnan(best.context)
    assert interpretable(found, bars=(0.0, abs(best.score) + 0.01)) == {
        0.0: pytest.approx(1 / 40), abs(best.score) + 0.01: 0,
    }  # fmt: skip


def test_what_is_found_on_one_half_only_does_not_pass():
    rng = np.random.default_rng(0)
    labels = labels_of(made_text(rng, 12_000))
    for half, sign in (slice(0, 6000), 1), (slice(6000, None), 1), (slice(0, 6000), -1):
        signals = {"layer_0/h": noise(rng, 12_000, 20)}
        unit = planted(labels[0], rng)
        if sign == -1:  # the other half says the opposite
            signals["layer_0/h"][:, 3] = -unit
        signals["layer_0/h"][half, 3] = unit[half]
        found = find(signals, labels)
        assert not any(each.passed for each in found.units + found.labels)


def test_controls_are_to_be_beaten():
    rng = np.random.default_rng(0)
    labels = labels_of(made_text(rng, 12_000))
    signals = {"layer_0/h": noise(rng, 12_000, 20)}
    signals["layer_0/h"][:, 3] = planted(labels[0], rng)
    best = find(signals, labels).units[0]
    assert best.passed
    for control in ("untrained", "context"):
        for above, passed in (-0.01, True), (0.01, False):
            known: Any = {control: {best.label: abs(best.score) + above}}
            [same] = [x for x in find(signals, labels, **known).units if x.unit == 3]
            assert (
                same.passed == passed
                and getattr(same, control) == known[control][best.label]
            )


def naive_context(ids, label, context):
    """The control: the better of the two ways."""
    half = len(ids) // 2
    defined = np.ones(len(ids), bool) if label.where is None else label.where
    truth = label.values[half:][defined[half:]]
    auc_or_rho = naive_rho if label.graded else naive_auc_of_reals
    ways = naive_table(ids, label, context), naive_sum(ids, label, context)
    return max(abs(auc_or_rho(told, truth)) for told in ways)


def naive_sum(ids, label, context):
    """Ridge regression with a column for each symbol at each place, by hand."""
    half = len(ids) // 2
    places = [[ids[max(0, n - k)] + 1 if n >= k else 0 for k in range(context)]
              for n in range(len(ids))]  # fmt: skip
    x = np.eye(int(ids.max()) + 2)[np.asarray(places)].reshape(len(ids), -1)
    defined = np.ones(len(ids), bool) if label.where is None else label.where
    known, asked = x[:half][defined[:half]], x[half:][defined[half:]]
    y = naive_ranks(label.values[:half][defined[:half]])
    y = (y - y.mean()) * 2 / len(y)
    weights = np.linalg.solve(known.T @ known + np.eye(x.shape[1]), known.T @ y)
    return np.round(asked @ weights, 9)


def naive_table(ids, label, context):
    """A dictionary of stretches at each place."""
    half, told, sums = len(ids) // 2, [], {}
    stretch = [[tuple(ids[max(0, n + 1 - k) : n + 1]) for k in range(context + 1)]
               for n in range(len(ids))]  # fmt: skip
    defined = np.ones(len(ids), bool) if label.where is None else label.where
    for n in np.flatnonzero(defined[:half]):
        for k, key in enumerate(stretch[n]):
            count, total = sums.get((k, key), (0, 0))
            sums[k, key] = count + 1, total + float(label.values[n])
    count, total = sums[0, ()]
    for n in np.flatnonzero(defined[half:]) + half:
        mean = total / count
        for k, key in list(enumerate(stretch[n]))[1:]:
            seen, s = sums.get((k, key), (0, 0))
            mean = (s + mean) / (seen + 1)
        told.append(mean)
    return np.asarray(told)


def context_control(ids, label, **given):
    """The control of one label."""
    return context_controls(ids, [label], **given)[label.name]


def naive_auc_of_reals(unit, label):
    return np.sign(unit[label == 1][:, None] - unit[label == 0][None]).mean()


@pytest.mark.parametrize("n", range(5))
@pytest.mark.parametrize("context", [1, 3, 8])
def test_the_context_control_is_the_better_of_a_table_and_a_sum(n, context):
    text = made_text(np.random.default_rng(n), 2500)
    ids = np.unique([*text], return_inverse=True)[1].astype(np.uint8)
    label = labels_of(text)[n]
    expected = naive_context(ids, label, context)
    assert context_control(ids, label, context=context) == pytest.approx(
        expected, abs=1e-4
    )


def test_the_last_characters_tell_what_stands_in_them_and_nothing_else():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 4, 20_000).astype(np.uint8)
    ago = {n: np.roll(ids, n) == 1 for n in (0, 3, 7, 8, 30)}
    labels = [Label(f"{n}", yes.astype(np.float32)) for n, yes in ago.items()]
    found = context_controls(ids, labels, context=4)
    assert found["0"] == found["3"] == 1
    assert all(found[name] < 0.1 for name in ("7", "8", "30"))
    assert context_control(ids, labels[0], context=0) == 0
    never = Label("a", np.zeros(20_000, np.float32))
    assert math.isnan(context_control(ids, never))
    assert math.isnan(context_control(ids, never, context=0))


def test_the_last_characters_tell_what_no_table_has_met():
    """How many of 8 are an a: of 20 symbols, most stretches were never read."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 20, 8000).astype(np.uint8)
    count = np.convolve(ids == 1, np.ones(8))[:8000].astype(np.float32)
    labels = [Label("yes", (count > 0).astype(np.float32)), Label("n", count, True)]
    found = context_controls(ids, labels)
    assert found["yes"] > 0.95 and found["n"] > 0.8


def test_rare_symbols_share_their_weights(monkeypatch):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 12, 6000).astype(np.uint8)
    ids[rng.random(6000) < 0.3] = 1
    label = Label("a", (np.roll(ids, 3) == 1).astype(np.float32))
    monkeypatch.setattr("charlm.interpret.units.baselines.COMMON", 1)
    assert context_control(ids, label, context=4) == pytest.approx(1)


def test_what_the_last_character_tells_for_certain_no_unit_tells_better():
    """By 32 bits either may be the larger; neither is."""
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 7, 6001).astype(np.uint8)
    labels = [Label(f"{n}", (ids == n).astype(np.float32)) for n in range(7)]
    units = np.stack([100 * (ids == n) for n in range(7)], axis=1).astype(np.int8)
    found = find({"layer_0/h": units}, labels, context=context_controls(ids, labels))
    assert all(each.score > 0.999 and each.context > 0.999 for each in found.labels)
    assert not any(each.passed for each in found.units + found.labels)
    almost = {label.name: 1 - 1e-7 for label in labels}
    for known in {"context": almost}, {"untrained": almost}:
        found = find({"layer_0/h": units}, labels, **known)
        assert not any(each.passed for each in found.units + found.labels)


def test_best_scores_are_chosen_on_one_half_and_told_of_the_other():
    rng = np.random.default_rng(0)
    labels = labels_of(made_text(rng, 12_000))
    signals = {"layer_0/h": noise(rng, 12_000, 4), "layer_1/h": noise(rng, 12_000, 4)}
    signals["layer_1/h"][:6000, 2] = planted(labels[0], rng)[:6000]  # chosen
    signals["layer_0/h"][6000:, 1] = planted(labels[0], rng)[6000:]  # too late
    half = Label("", labels[0].values[6000:])
    expected = abs(scores(signals["layer_1/h"][6000:], half)[2])
    found = best_scores(signals, labels)
    assert (
        found["inside quotes"] == pytest.approx(expected, abs=1e-6) and expected < 0.2
    )
    assert [*found] == [label.name for label in labels]


def test_labels_that_are_rare_are_left_out_and_it_is_said_why():
    t = 8000
    places = np.arange(t)
    labels = [
        Label("never", np.zeros(t, np.float32)),
        Label("in one half", (places // 10 % 2 * (places < 4000)).astype(np.float32)),
        Label("nine times", (places % 444 < 10).astype(np.float32)),
        Label("in few places", (places % 3).astype(np.float32), True, places % 10 < 7),
        Label("fit", (places % 77 < 20).astype(np.float32)),
    ]
    units = noise(np.random.default_rng(0), t, 3)
    found = find({"layer_0/h": units}, labels)
    assert found.left_out == {
        "never": "changes 0 times in a half, fewer than 20",
        "in one half": "changes 0 times in a half, fewer than 20",
        "nine times": "changes 18 times in a half, fewer than 20",
        "in few places": "defined at 2800 characters of a half, fewer than 3000",
    }
    assert [each.label for each in found.labels] == ["fit"]
    assert {each.label for each in found.units} == {"fit"}
    nothing = find({"layer_0/h": units}, labels[:4])
    assert nothing.units == nothing.labels == [] and len(nothing.left_out) == 4
    assert interpretable(nothing) == {0.5: 0, 0.7: 0, 0.9: 0}
    assert best_scores({"layer_0/h": units}, labels[:4]) == {}


def test_a_unit_counts_once_whatever_its_signals():
    def finding(signal, unit, score, passed=True):
        return Finding(signal, unit, "a", score, score, 0.1, math.nan, 0.2, passed)

    units = [
        finding("layer_0/h", 0, -0.95),
        finding("layer_0/c", 0, 0.92),
        finding("layer_1/c", 0, 0.7),
        finding("layer_1/c", 1, 0.99, passed=False),
        finding("layer_1/f", 2, 0.6),
    ]
    found = Findings(units, [], {}, {"layer_0": 5, "layer_1": 5})
    assert interpretable(found) == {0.5: 0.3, 0.7: 0.2, 0.9: 0.1}
    first, *_ = records = as_records(units)
    assert first["score"] == -0.95 and first["untrained"] is None
    assert json.loads(json.dumps(records, allow_nan=False)) == records


def test_what_is_found_depends_on_the_seed_alone():
    rng = np.random.default_rng(0)
    labels = labels_of(made_text(rng, 8000))
    signals = {"layer_0/h": noise(rng, 8000, 5)}
    one, same, other = (find(signals, labels, seed=seed) for seed in (3, 3, 4))
    assert as_records(one.units) == as_records(same.units)
    assert {x.threshold for x in one.units} != {x.threshold for x in other.units}
    assert {x.score for x in one.labels} == {x.score for x in other.labels}
    json.dumps(as_records(one.units), allow_nan=False)


def test_gates_are_shut_or_open():
    gate = np.asarray([[0, 127], [12, 114], [13, 115], [127, 64]], np.int8)
    left, right = saturation(gate, 1 / 127)
    assert left.tolist() == [0.5, 0] and right.tolist() == [0.25, 0.5]
    left, right = saturation(np.asarray([[1], [9]], np.int16), 0.1)
    assert left.tolist() == right.tolist() == [0]


def test_time_scales_are_of_the_mean_log():
    f = np.asarray([[127, 100, 0], [127, 50, 127]], np.int8)
    mean = (math.log(100 / 127) + math.log(50 / 127)) / 2
    expected = [math.inf, -1 / mean, -2 / math.log(0.5 / 127)]
    assert time_scales(f, 1 / 127) == pytest.approx(expected)
    kept = np.full((1000, 1), 0.9)
    assert time_scales(np.rint(kept * 127).astype(np.int8), 1 / 127)[
        0
    ] == pytest.approx(-1 / math.log(0.9), rel=0.05)


UNITS = {"layer_0/h": np.zeros((6000, 2), np.int8)}
LABEL = Label("a", np.zeros(6000, np.float32))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: find({}, [LABEL]), "give signals"),
        (lambda: find(UNITS, [Label("a", np.zeros(5999, np.float32))]), "same text"),
        (lambda: find(UNITS, [LABEL, LABEL]), "two labels have the same name"),
        (lambda: find(UNITS, [LABEL], shifts=18), "18 shifts .* take 19 or more"),
        (lambda: find(UNITS, [LABEL], family=0.001), "take 999 or more"),
        (lambda: find(UNITS, [LABEL], family=1.0), "between 0 and 1"),
        (lambda: find(UNITS, [LABEL], candidates=0), "take 1 unit of a label"),
        (lambda: best_scores({"h": UNITS["layer_0/h"][1:]}, []), "has 5999 characters"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(UserError, match=message):
        call()
