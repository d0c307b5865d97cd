"""The Hopper kernels on a CPU: their arithmetic, and their exchange at its worst.

The SMs of a cluster are run a piece at a time, in an order that a seed draws. What an
SM sends is under way for as long as the draw says, and arrives in any order. A slot
that is written before it has been read, or read before it is full, changes the
results. tanh is exact here and approximate on a GPU.
"""

import collections
import functools
import random
from collections.abc import Callable, Generator

import jax
import jax.numpy as jnp
import numpy as np

from experiments.gpu.hopper_packing import KEPT, STREAMS, UNITS, split_rows

SLOTS = 2  # for what is exchanged: those of even and of odd steps
Wait = tuple[int, int]  # a slot, and how many arrivals it must have had
Program = Generator[Wait | None, None, None]


class Cluster:
    """The SMs of a cluster: what each has been sent, and what is under way.

    Attributes:
      memory: [SM, slot, sender, u, s], what each was sent last.
      arrivals: of each slot of each SM, ever.
    """

    def __init__(self, size: int, seed: int, slots: int):
        self.size, self.slots = size, slots
        self.memory = np.full((size, slots, size, UNITS, STREAMS), np.nan, np.float32)
        self.arrivals = collections.Counter()
        self._random = random.Random(seed)
        self._under_way: list[tuple[int, int, int, np.ndarray]] = []

    def send(self, receiver: int, slot: int, sender: int, block: np.ndarray) -> None:
        """Sends a block to a slot of an SM; it arrives some time."""
        self._under_way.append((receiver, slot % self.slots, sender, block.copy()))

    def run(self, programs: list[Program]) -> None:
        """Runs a program on each SM to its end.

        Raises:
          RuntimeError: all of them wait for what nobody sends.
        """
        waiting: dict[int, Wait | None] = dict.fromkeys(range(self.size))
        while waiting:
            ready = [sm for sm, wait in waiting.items() if self._has_come(sm, wait)]
            if not ready and not self._under_way:
                raise RuntimeError("all SMs wait, and nothing is under way")
            pick = self._random.randrange(len(ready) + len(self._under_way))
            if pick >= len(ready):
                self._deliver(pick - len(ready))
                continue
            sm = ready[pick]
            try:
                waiting[sm] = next(programs[sm])
            except StopIteration:
                del waiting[sm]

    def _has_come(self, sm: int, wait: Wait | None) -> bool:
        return wait is None or self.arrivals[sm, wait[0] % self.slots] >= wait[1]

    def _deliver(self, n: int) -> None:
        receiver, slot, sender, block = self._under_way.pop(n)
        self.memory[receiver, slot, sender] = block
        self.arrivals[receiver, slot] += 1


def emulate_forward(
    z: np.ndarray,
    w: np.ndarray,
    h: np.ndarray,
    c: np.ndarray,
    *,
    seed: int = 0,
    slots: int = SLOTS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What hopper_kernels.forward_kernel gives, in NumPy; its arguments and results."""
    length, tiles, size = z.shape[:3]
    hs = np.zeros((length, *c.shape), np.float32)
    last = np.zeros(c.shape, np.float32)
    kept = np.zeros((length, tiles, size, KEPT, UNITS, STREAMS), np.float32)
    w, h = w.astype(np.float32), h.astype(np.float32)

    def program(cluster: Cluster, tile: int, me: int) -> Program:
        state = c[tile, me]
        for t in range(length):
            sums = np.zeros((4 * UNITS, STREAMS), np.float32)
            for sender in range(size):
                sums += w[me, sender] @ cluster.memory[me, t % cluster.slots, sender]
                yield None
            state, h_new, kept[t, tile, me] = _gates(
                state, z[t, tile, me] + split_rows(sums)
            )
            for d in range(size):
                to = (me + d) % size
                cluster.send(to, t + 1, me, _round(h_new))
                yield None
            hs[t, tile, me] = h_new
            yield t + 1, _count_arrivals(t + 1, size, cluster.slots)
        last[tile, me] = state

    for tile in range(tiles):
        cluster = Cluster(size, seed + tile, slots)
        cluster.memory[:, 0] = h[tile]
        programs = [program(cluster, tile, me) for me in range(size)]
        cluster.run(programs)
    return hs, last, kept


def emulate_backward(
    kept: np.ndarray,
    d_hs: np.ndarray,
    w: np.ndarray,
    d_h: np.ndarray,
    d_c: np.ndarray,
    *,
    seed: int = 0,
    slots: int = SLOTS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What hopper_kernels.backward_kernel gives, in NumPy."""
    length, tiles, size = kept.shape[:3]
    d_z = np.zeros((length, tiles, size, 4, UNITS, STREAMS), np.float32)
    first_h, first_c = np.zeros_like(d_h), np.zeros_like(d_c)
    w = w.astype(np.float32)

    def program(cluster: Cluster, tile: int, me: int) -> Program:
        dh, dc = d_h[tile, me], d_c[tile, me]
        for n in range(length):
            t = length - 1 - n
            *slopes, through, f = kept[t, tile, me]
            dh = dh + d_hs[t, tile, me]
            dc = dc + dh * through
            above = (dc, dc, dc, dh)
            dz = np.stack([x * y for x, y in zip(above, slopes, strict=True)])
            d_z[t, tile, me] = dz
            blocks = split_rows(w[me] @ _round(dz.reshape(4 * UNITS, STREAMS)))
            for d, block in enumerate(blocks):
                cluster.send((me + d) % size, n + 1, me, block)
                yield None
            yield n + 1, _count_arrivals(n + 1, size, cluster.slots)
            dh = np.zeros_like(dh)
            for sender in range(size):
                dh = dh + cluster.memory[me, (n + 1) % cluster.slots, sender]
                yield None
            dc = dc * f
        first_h[tile, me], first_c[tile, me] = dh, dc

    for tile in range(tiles):
        cluster = Cluster(size, seed + tile, slots)
        cluster.run([program(cluster, tile, me) for me in range(size)])
    return d_z, first_h, first_c


def as_jax(function: Callable, **options) -> Callable:
    """Returns an emulation as a function of JAX's arrays."""

    def call(*args):
        shapes = jax.eval_shape(lambda: _get_results(function, *args))
        run = functools.partial(function, **options)
        return jax.pure_callback(lambda *x: run(*map(np.asarray, x)), shapes, *args)

    return call


def _get_results(function, first, *rest):
    """Arrays of the shapes that an emulation gives."""
    length, tiles, size = first.shape[:3]
    of_state = (tiles, size, UNITS, STREAMS)
    planes = (length, tiles, size, KEPT, UNITS, STREAMS)
    of_gates = (*planes[:3], 4, *planes[4:])
    shapes = {
        emulate_forward: ((length, *of_state), of_state, planes),
        emulate_backward: (of_gates, of_state, of_state),
    }
    return tuple(jnp.zeros(shape) for shape in shapes[function])


def _count_arrivals(step: int, size: int, slots: int) -> int:
    """Arrivals at the slot of a step, once all of that step have come."""
    return size * len(range(step, 0, -slots))


def _round(x):
    return x.astype(jnp.bfloat16).astype(np.float32)


def _gates(c, z):
    """(c, h, planes for backward) of the gates' sums z[4, u, s]; see recurrence.py."""
    i, f, o = (0.5 + 0.5 * np.tanh(0.5 * z[gate]) for gate in (0, 1, 3))
    g = np.tanh(z[2])
    slope_f = c * f * (1 - f)
    c = f * c + i * g
    tanh_c = np.tanh(c)
    h = o * tanh_c
    slopes = (g * i * (1 - i), slope_f, i * (1 - g * g), h * (1 - o))
    return c, h, np.stack([*slopes, o * (1 - tanh_c * tanh_c), f])
