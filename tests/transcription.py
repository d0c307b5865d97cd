"""The cells' equations in NumPy, written out gate by gate, to hold ours against."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn(p, h, x):
    h = np.tanh(x @ p["wx"] + h @ p["wh"] + p["b"])
    return h, h


def gru(p, h, x):
    (wr, wu, wn), (ur, uu, un), (br, bu, bn) = (
        np.split(p[name], 3, axis=-1) for name in ("wx", "wh", "b")
    )
    r = sigmoid(x @ wr + h @ ur + br)
    u = sigmoid(x @ wu + h @ uu + bu)
    n = np.tanh(x @ wn + (r * h) @ un + bn)
    h = (1 - u) * h + u * n
    return h, h


def lstm(p, state, x):
    c, h = state
    (wi, wf, wg, wo), (ui, uf, ug, uo), (bi, bf, bg, bo) = (
        np.split(p[name], 4, axis=-1) for name in ("wx", "wh", "b")
    )
    i = sigmoid(x @ wi + h @ ui + bi)
    f = sigmoid(x @ wf + h @ uf + bf)
    g = np.tanh(x @ wg + h @ ug + bg)
    o = sigmoid(x @ wo + h @ uo + bo)
    c = f * c + i * g
    h = o * np.tanh(c)
    return (c, h), h


CELLS = {"rnn": rnn, "gru": gru, "lstm": lstm}
