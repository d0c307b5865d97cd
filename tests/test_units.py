"""Unit selection: scores are exact, noise passes nothing, a planted unit is found."""

import json
import math
from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from charlm import Vocab, make_language_model
from charlm.errors import UserError
from charlm.interpret.activations import record_activations
from charlm.interpret.labels.labels import Label
from charlm.interpret.units.baselines import last_k_baseline
from charlm.interpret.units.scores import (
    MIN_CHARS,
    MIN_SHIFT,
    compute_scores,
    compute_thresholds,
    get_rows,
    get_shifts,
    make_target,
    rank_units,
)
from charlm.interpret.units.selection import (
    UnitResult,
    UnitResults,
    as_records,
    compute_best_scores,
    compute_interpretable_shares,
    select_units,
)


def score_units(units, label):
    """Returns the score of each unit on a label."""
    rows = get_rows(label, slice(None))
    values = np.asarray(label.values, np.float32)[rows]
    target = make_target(values, graded=label.graded)
    blocks = [compute_scores(ranks, target)[:, 0] for ranks in rank_units(units[rows])]
    return np.concatenate(blocks)


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


def naive_score(unit, label):
    """The score of a unit on a label that has two values, in O(n^2)."""
    rows = slice(None) if label.where is None else label.where
    unit, values = unit[rows], label.values[rows]
    if np.ptp(unit) == 0:
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
        values = label.values if where is None else label.values[where]
        if values.size and np.ptp(values):  # other labels are unfit
            expected = [naive_score(unit, label) for unit in units.T]
            assert score_units(units, label) == pytest.approx(expected, abs=1e-5)


def test_scores_are_exact_of_16_bits_and_of_many_places():
    rng = np.random.default_rng(0)
    units = rng.integers(-32768, 32768, (2000, 3)).astype(np.int16)
    units[:, 1] //= 8192
    for label in (
        Label("a", (units[:, 1] + rng.normal(size=2000) > 1).astype(np.float32)),
        Label("b", (units[:, 0] // 5000).astype(np.float32), True),
    ):
        expected = [naive_score(unit, label) for unit in units.T]
        assert score_units(units, label) == pytest.approx(expected, abs=1e-5)


def test_scores_keep_their_sign_and_know_no_scale():
    label = Label("a", np.arange(50) % 2, False)
    unit = (np.arange(50) % 2 * 9 - 4).astype(np.int8)
    units = np.stack([unit, -unit, unit // 2, 0 * unit], axis=1)
    assert score_units(units, label).tolist() == pytest.approx([1, -1, 1, 0])


def test_ranks_in_blocks_are_those_of_one(monkeypatch):
    units = np.random.default_rng(0).integers(-9, 9, (40, 7)).astype(np.int8)
    target = make_target(np.arange(40.0), graded=True)
    [whole] = rank_units(units)
    shifts = [0, 3, 39, 17]
    expected = compute_scores(whole, target, shifts)
    monkeypatch.setattr("charlm.interpret.units.scores.CHUNK_BYTES", 4 * 40 * 3)
    blocks = [compute_scores(ranks, target, shifts) for ranks in rank_units(units)]
    assert len(blocks) == 3
    np.testing.assert_allclose(np.concatenate(blocks), expected, atol=1e-6)


@pytest.mark.parametrize("graded", [False, True])
def test_shifted_scores_are_those_of_labels_rolled(graded):
    rng = np.random.default_rng(1)
    units = rng.integers(-9, 9, (60, 4)).astype(np.int8)
    values = rng.integers(0, 2, 60).astype(np.float32)
    [ranks] = rank_units(units)
    shifted = compute_scores(ranks, make_target(values, graded=graded), [0, 1, 25])
    for n, shift in enumerate([0, 1, 25]):
        rolled = Label("a", np.roll(values, shift), graded)
        assert shifted[:, n] == pytest.approx(score_units(units, rolled), abs=1e-5)


@given(
    n=st.integers(MIN_CHARS, 10**6), amounts=st.lists(st.floats(0, 1, exclude_max=True))
)
def test_labels_are_shifted_by_more_than_1000_either_way(n, amounts):
    shifts = get_shifts(np.asarray(amounts), n)
    assert all(1000 < shift < n - 1000 for shift in shifts)
    ends = get_shifts(np.asarray([0, np.nextafter(1, 0)]), n)
    assert ends.tolist() == [MIN_SHIFT + 1, n - MIN_SHIFT - 1]


def naive_thresholds(maxima, alpha):
    """The thresholds, with the mean and deviation of the others one by one."""
    k = maxima.shape[1]
    distance = np.empty_like(maxima)
    for n in range(k):
        others = np.delete(maxima, n, axis=1)
        distance[:, n] = (maxima[:, n] - others.mean(1)) / others.std(1, ddof=1)
    largest = np.sort(distance.max(axis=0))
    limit = largest[math.ceil(round((1 - alpha) * (k + 1), 6)) - 1]
    return maxima.mean(1) + limit * maxima.std(1, ddof=1)


@pytest.mark.parametrize("k, alpha", [(19, 0.05), (100, 0.05), (39, 0.1)])
def test_thresholds_are_of_all_labels_and_of_each(k, alpha):
    rng = np.random.default_rng(k)
    maxima = rng.normal([[0.1], [0.4]], [[0.01], [0.1]], (2, k))
    thresholds = compute_thresholds(maxima, alpha)
    assert thresholds == pytest.approx(naive_thresholds(maxima, alpha))
    above = (maxima > thresholds[:, None]).any(axis=0).mean()
    assert above <= alpha + 0.03 and thresholds[1] - 0.4 > 5 * (thresholds[0] - 0.1)


def make_text(rng, t):
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


def make_labels(text):
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


def make_noise(rng, t, h):
    """Units that know nothing and forget at every pace, int8[t, h]."""
    kept = 1 - 10 ** -rng.uniform(0.5, 2.5, h)
    fresh = rng.standard_normal((t, h)) * np.sqrt(1 - kept**2)
    x = np.zeros((t + 1, h))
    for n in range(t):
        x[n + 1] = kept * x[n] + fresh[n]
    return np.rint(np.tanh(x[1:]) * 127).astype(np.int8)


def make_walks(rng, t, h, nets):
    """What never read a text, {signal: [t, h n]}."""
    return {"layer_0/h": make_noise(rng, t, h * nets)}


def make_lstms(rng, t, h, nets):
    """Random LSTMs that remember at every pace and read one text, {signal: [t, h n]}.

    They are one net without a weight between one h units and the next.
    """
    text = make_text(rng, t)
    vocab = Vocab.of(text)
    lm = make_language_model(vocab_size=len(vocab), layers=1, features=h * nets)
    params = jax.tree.map(np.array, lm.init(jax.random.key(0)))
    layer = params["layer_0"]
    own = np.kron(np.eye(nets), np.ones((h, h)))
    layer["wh"] *= np.tile(own, 4) * np.sqrt(nets)
    layer["wx"] *= 5
    layer["b"][h * nets : 2 * h * nets] = rng.uniform(0, 6, h * nets)
    model = (lm, params, vocab)
    return record_activations(model, text, signals=("h", "c", "f")).signals


@pytest.mark.parametrize(
    "make_signals, t, h", [(make_walks, 8000, 40), (make_lstms, 20_000, 6)]
)
def test_in_networks_of_noise_nothing_passes(make_signals, t, h):
    """Something passes in at most as many of 100 networks and texts as ALPHA says.

    The LSTMs did read, but another text than that of the labels.
    """
    rng, nets, lucky = np.random.default_rng(0), 100, 0
    all_signals = make_signals(rng, t, h, nets)
    for net in range(nets):
        signals = {
            name: u[:, h * net : h * (net + 1)] for name, u in all_signals.items()
        }
        labels = make_labels(make_text(rng, t))
        results = select_units(signals, labels, seed=net, candidates=3)
        assert not results.unfit_labels and len(results.by_unit) == h * len(signals)
        assert len(results.by_label) == 3 * len(labels)
        lucky += any(each.passed for each in results.by_unit + results.by_label)
    assert lucky <= 5


def make_unit(label, rng, share=0.4):
    """An integer unit that follows a label, and else does something else."""
    values = np.where(label.values > 0, label.values, 0)
    unit = values / values.max() + rng.normal(0, share, len(values))
    return np.rint(np.clip(unit * 60, -127, 127)).astype(np.int8)


@pytest.mark.parametrize("n", [0, 1, 3, 4])
def test_a_unit_that_follows_a_label_comes_first(n):
    rng = np.random.default_rng(n)
    labels = make_labels(make_text(rng, 12_000))
    signals = {f"layer_{k}/h": make_noise(rng, 12_000, 20) for k in range(2)}
    untrained = compute_best_scores(signals, labels)
    signals["layer_1/h"][:, 7] = -make_unit(labels[n], rng)
    results = select_units(signals, labels, untrained=untrained)
    best = results.by_unit[0]
    assert best[:3] == ("layer_1/h", 7, labels[n].name) and best.passed
    assert best == results.by_label[0]
    assert best.score < -0.3 and best.chosen_score < -0.3
    second = slice(6000, None)
    values, where = labels[n].values[second], labels[n].where
    where = None if where is None else where[second]
    half = Label("", values, labels[n].graded, where)
    expected = score_units(signals["layer_1/h"][second], half)[7]
    assert best.score == pytest.approx(expected, abs=1e-6)
    assert best.threshold < 0.4 and best.untrained == untrained[best.label]
    assert math.isnan(best.context)
    shares = compute_interpretable_shares(results, bars=(0.0, abs(best.score) + 0.01))
    assert [*shares.values()] == [pytest.approx(1 / 40), 0]


def test_a_unit_that_follows_a_label_on_one_half_only_does_not_pass():
    rng = np.random.default_rng(0)
    labels = make_labels(make_text(rng, 12_000))
    for half, sign in (slice(0, 6000), 1), (slice(6000, None), 1), (slice(0, 6000), -1):
        signals = {"layer_0/h": make_noise(rng, 12_000, 20)}
        unit = make_unit(labels[0], rng)
        if sign == -1:  # the other half says the opposite
            signals["layer_0/h"][:, 3] = -unit
        signals["layer_0/h"][half, 3] = unit[half]
        results = select_units(signals, labels)
        assert not any(each.passed for each in results.by_unit + results.by_label)


def test_a_result_must_exceed_the_controls():
    rng = np.random.default_rng(0)
    labels = make_labels(make_text(rng, 12_000))
    signals = {"layer_0/h": make_noise(rng, 12_000, 20)}
    signals["layer_0/h"][:, 3] = make_unit(labels[0], rng)
    best = select_units(signals, labels).by_unit[0]
    assert best.passed
    for control in ("untrained", "context"):
        for above, passed in (-0.01, True), (0.01, False):
            known: Any = {control: {best.label: abs(best.score) + above}}
            results = select_units(signals, labels, **known)
            [same] = [each for each in results.by_unit if each.unit == 3]
            assert same.passed == passed
            assert getattr(same, control) == known[control][best.label]


def naive_baseline(ids, label, context):
    """The baseline: the better of the two predictors."""
    half = len(ids) // 2
    defined = np.ones(len(ids), bool) if label.where is None else label.where
    truth = label.values[half:][defined[half:]]
    auc_or_rho = naive_rho if label.graded else naive_auc_of_reals
    ways = naive_table(ids, label, context), naive_sum(ids, label, context)
    return max(abs(auc_or_rho(prediction, truth)) for prediction in ways)


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
    half, predictions, sums = len(ids) // 2, [], {}
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
            n_key, s = sums.get((k, key), (0, 0))
            mean = (s + mean) / (n_key + 1)
        predictions.append(mean)
    return np.asarray(predictions)


def compute_baseline(ids, label, **options):
    """Returns the baseline of one label."""
    return last_k_baseline(ids, [label], **options)[label.name]


def naive_auc_of_reals(unit, label):
    return np.sign(unit[label == 1][:, None] - unit[label == 0][None]).mean()


@pytest.mark.parametrize("n", range(5))
@pytest.mark.parametrize("k", [1, 3, 8])
def test_the_baseline_is_the_better_of_a_table_and_a_sum(n, k):
    text = make_text(np.random.default_rng(n), 2500)
    ids = np.unique([*text], return_inverse=True)[1].astype(np.uint8)
    label = make_labels(text)[n]
    expected = naive_baseline(ids, label, k)
    assert compute_baseline(ids, label, k=k) == pytest.approx(expected, abs=1e-4)


def test_the_last_characters_predict_what_is_in_them_and_nothing_else():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 4, 20_000).astype(np.uint8)
    ago = {n: np.roll(ids, n) == 1 for n in (0, 3, 7, 8, 30)}
    labels = [Label(f"{n}", yes.astype(np.float32)) for n, yes in ago.items()]
    baseline = last_k_baseline(ids, labels, k=4)
    assert baseline["0"] == baseline["3"] == 1
    assert all(baseline[name] < 0.1 for name in ("7", "8", "30"))
    assert compute_baseline(ids, labels[0], k=0) == 0
    never = Label("a", np.zeros(20_000, np.float32))
    assert math.isnan(compute_baseline(ids, never))
    assert math.isnan(compute_baseline(ids, never, k=0))


def test_the_last_characters_predict_after_contexts_that_no_table_has():
    """How many of 8 are an a: of 20 symbols, most stretches were never read."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 20, 8000).astype(np.uint8)
    count = np.convolve(ids == 1, np.ones(8))[:8000].astype(np.float32)
    labels = [Label("yes", (count > 0).astype(np.float32)), Label("n", count, True)]
    baseline = last_k_baseline(ids, labels)
    assert baseline["yes"] > 0.95 and baseline["n"] > 0.8


def test_rare_symbols_share_their_weights(monkeypatch):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 12, 6000).astype(np.uint8)
    ids[rng.random(6000) < 0.3] = 1
    label = Label("a", (np.roll(ids, 3) == 1).astype(np.float32))
    monkeypatch.setattr("charlm.interpret.units.baselines.MAX_SYMBOLS", 1)
    assert compute_baseline(ids, label, k=4) == pytest.approx(1)


def test_no_unit_exceeds_a_baseline_that_is_certain():
    """By 32 bits either may be the larger; neither is."""
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 7, 6001).astype(np.uint8)
    labels = [Label(f"{n}", (ids == n).astype(np.float32)) for n in range(7)]
    units = np.stack([100 * (ids == n) for n in range(7)], axis=1).astype(np.int8)
    results = select_units(
        {"layer_0/h": units}, labels, context=last_k_baseline(ids, labels)
    )
    assert all(each.score > 0.999 and each.context > 0.999 for each in results.by_label)
    assert not any(each.passed for each in results.by_unit + results.by_label)
    almost = {label.name: 1 - 1e-7 for label in labels}
    known: Any
    for known in {"context": almost}, {"untrained": almost}:
        results = select_units({"layer_0/h": units}, labels, **known)
        assert not any(each.passed for each in results.by_unit + results.by_label)


def test_best_scores_are_chosen_on_one_half_and_measured_on_the_other():
    rng = np.random.default_rng(0)
    labels = make_labels(make_text(rng, 12_000))
    signals = {
        "layer_0/h": make_noise(rng, 12_000, 4),
        "layer_1/h": make_noise(rng, 12_000, 4),
    }
    signals["layer_1/h"][:6000, 2] = make_unit(labels[0], rng)[:6000]  # chosen
    signals["layer_0/h"][6000:, 1] = make_unit(labels[0], rng)[6000:]  # too late
    half = Label("", labels[0].values[6000:])
    expected = abs(score_units(signals["layer_1/h"][6000:], half)[2])
    scores = compute_best_scores(signals, labels)
    assert scores["inside quotes"] == pytest.approx(expected, abs=1e-6)
    assert expected < 0.2
    assert [*scores] == [label.name for label in labels]


def test_rare_labels_are_unfit_with_a_reason():
    t = 8000
    places = np.arange(t)
    labels = [
        Label("never", np.zeros(t, np.float32)),
        Label("in one half", (places // 10 % 2 * (places < 4000)).astype(np.float32)),
        Label("nine times", (places % 444 < 10).astype(np.float32)),
        Label("in few places", (places % 3).astype(np.float32), True, places % 10 < 7),
        Label("fit", (places % 77 < 20).astype(np.float32)),
    ]
    units = make_noise(np.random.default_rng(0), t, 3)
    results = select_units({"layer_0/h": units}, labels)
    assert results.unfit_labels == {
        "never": "changes 0 times in a half, fewer than 20",
        "in one half": "changes 0 times in a half, fewer than 20",
        "nine times": "changes 18 times in a half, fewer than 20",
        "in few places": "defined at 2800 characters of a half, fewer than 3000",
    }
    assert [each.label for each in results.by_label] == ["fit"]
    assert {each.label for each in results.by_unit} == {"fit"}
    nothing = select_units({"layer_0/h": units}, labels[:4])
    assert nothing.by_unit == nothing.by_label == [] and len(nothing.unfit_labels) == 4
    assert compute_interpretable_shares(nothing) == {0.5: 0, 0.7: 0, 0.9: 0}
    assert compute_best_scores({"layer_0/h": units}, labels[:4]) == {}


def test_a_unit_counts_once_whatever_its_signals():
    def result(signal, unit, score, passed=True):
        return UnitResult(signal, unit, "a", score, score, 0.1, math.nan, 0.2, passed)

    by_unit = [
        result("layer_0/h", 0, -0.95),
        result("layer_0/c", 0, 0.92),
        result("layer_1/c", 0, 0.7),
        result("layer_1/c", 1, 0.99, passed=False),
        result("layer_1/f", 2, 0.6),
    ]
    results = UnitResults(by_unit, [], {}, {"layer_0": 5, "layer_1": 5})
    assert compute_interpretable_shares(results) == {0.5: 0.3, 0.7: 0.2, 0.9: 0.1}
    first, *_ = records = as_records(by_unit)
    assert first["score"] == -0.95 and first["untrained"] is None
    assert json.loads(json.dumps(records, allow_nan=False)) == records


def test_results_depend_on_the_seed_alone():
    rng = np.random.default_rng(0)
    labels = make_labels(make_text(rng, 8000))
    signals = {"layer_0/h": make_noise(rng, 8000, 5)}
    one, same, other = (select_units(signals, labels, seed=seed) for seed in (3, 3, 4))
    assert as_records(one.by_unit) == as_records(same.by_unit)
    assert {x.threshold for x in one.by_unit} != {x.threshold for x in other.by_unit}
    assert {x.score for x in one.by_label} == {x.score for x in other.by_label}
    json.dumps(as_records(one.by_unit), allow_nan=False)


UNITS = {"layer_0/h": np.zeros((6000, 2), np.int8)}
LABEL = Label("a", np.zeros(6000, np.float32))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: select_units({}, [LABEL]), "give signals"),
        (
            lambda: select_units(UNITS, [Label("a", np.zeros(5999, np.float32))]),
            "same text",
        ),
        (lambda: select_units(UNITS, [LABEL, LABEL]), "two labels have the same name"),
        (lambda: select_units(UNITS, [LABEL], candidates=0), "candidates is 0"),
        (
            lambda: compute_best_scores({"h": UNITS["layer_0/h"][1:]}, []),
            "has 5999 characters",
        ),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(UserError, match=message):
        call()
