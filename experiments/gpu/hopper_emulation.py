"""Emulates the Hopper kernels on a CPU: their arithmetic, and their exchange.

The SMs of a cluster run in pieces, in an order that a seed draws. A message stays in
flight as long as the draw says, and messages arrive in any order. A slot that is
written before it has been read, or read before it is full, changes the results. tanh is
exact here and approximate on a GPU.
"""

import collections
import functools
import random
from collections.abc import Callable, Generator, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from experiments.gpu.hopper_gates import run_gates, run_gates_backward
from experiments.gpu.hopper_packing import RESIDUALS, STREAMS, UNITS, split_rows

SLOTS = 2  # for messages: those of even and of odd steps
Wait = tuple[int, int]  # a slot, and the number of arrivals that a program waits for
Program = Generator[Wait | None, None, None]


class Cluster:
    """The SMs of a cluster: the messages that each has, and those in flight.

    Attributes:
      memory: [SM, slot, sender, u, s], the last message from each sender.
      arrivals: number of messages so far, by (SM, slot).
    """

    def __init__(self, size: int, seed: int, slots: int):
        self.size, self.slots = size, slots
        self.memory = np.full((size, slots, size, UNITS, STREAMS), np.nan, np.float32)
        self.arrivals = collections.Counter()
        self._random = random.Random(seed)
        self._in_flight: list[tuple[int, int, int, np.ndarray]] = []

    def send(self, receiver: int, slot: int, sender: int, block: np.ndarray) -> None:
        """Sends a block to a slot of an SM; it arrives at some later time."""
        self._in_flight.append((receiver, slot % self.slots, sender, block.copy()))

    def send_blocks(
        self, slot: int, sender: int, blocks: Iterator[np.ndarray]
    ) -> Program:
        """Sends a block to each SM, the first one to the sender itself."""
        for d, block in enumerate(blocks):
            self.send((sender + d) % self.size, slot, sender, block)
            yield None

    def wait(self, step: int) -> Wait:
        """Returns the wait for all messages of a step, the first of which is 1."""
        return step, self.size * len(range(step, 0, -self.slots))

    def run(self, programs: list[Program]) -> None:
        """Runs a program on each SM to its end.

        Raises:
          RuntimeError: all of them wait, and no message is in flight.
        """
        waiting: dict[int, Wait | None] = dict.fromkeys(range(self.size))
        while waiting:
            ready = [sm for sm, wait in waiting.items() if self._is_over(sm, wait)]
            if not ready and not self._in_flight:
                raise RuntimeError("all SMs wait, and no message is in flight")
            choice = self._random.randrange(len(ready) + len(self._in_flight))
            if choice >= len(ready):
                self._deliver(choice - len(ready))
                continue
            sm = ready[choice]
            try:
                waiting[sm] = next(programs[sm])
            except StopIteration:
                del waiting[sm]

    def _is_over(self, sm: int, wait: Wait | None) -> bool:
        return wait is None or self.arrivals[sm, wait[0] % self.slots] >= wait[1]

    def _deliver(self, n: int) -> None:
        receiver, slot, sender, block = self._in_flight.pop(n)
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
    """Emulates hopper_kernels.forward_kernel, with its arguments and results."""
    length, tiles, size = z.shape[:3]
    hs = np.zeros((length, *c.shape), np.float32)
    last = np.zeros(c.shape, np.float32)
    residuals = np.zeros((length, tiles, size, RESIDUALS, UNITS, STREAMS), np.float32)
    w, h = w.astype(np.float32), h.astype(np.float32)

    def program(cluster: Cluster, tile: int, me: int) -> Program:
        state = c[tile, me]
        for t in range(length):
            sums = np.zeros((4 * UNITS, STREAMS), np.float32)
            for sender in range(size):
                sums += w[me, sender] @ cluster.memory[me, t % cluster.slots, sender]
                yield None
            gates = z[t, tile, me] + split_rows(sums)
            state, hs[t, tile, me], planes = run_gates(np.tanh, state, gates)
            residuals[t, tile, me] = np.stack(planes)
            h_blocks = (_round(hs[t, tile, me]) for _ in range(size))
            yield from cluster.send_blocks(t + 1, me, h_blocks)
            yield cluster.wait(t + 1)
        last[tile, me] = state

    for tile in range(tiles):
        cluster = Cluster(size, seed + tile, slots)
        cluster.memory[:, 0] = h[tile]
        cluster.run([program(cluster, tile, me) for me in range(size)])
    return hs, last, residuals


def emulate_backward(
    residuals: np.ndarray,
    d_hs: np.ndarray,
    w: np.ndarray,
    d_h: np.ndarray,
    d_c: np.ndarray,
    *,
    seed: int = 0,
    slots: int = SLOTS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Emulates hopper_kernels.backward_kernel, with its arguments and results."""
    length, tiles, size = residuals.shape[:3]
    d_z = np.zeros((length, tiles, size, 4, UNITS, STREAMS), np.float32)
    first_h, first_c = np.zeros_like(d_h), np.zeros_like(d_c)
    w = w.astype(np.float32)

    def program(cluster: Cluster, tile: int, me: int) -> Program:
        dh, dc = d_h[tile, me], d_c[tile, me]
        for n in range(length):
            t = length - 1 - n
            planes = residuals[t, tile, me]
            dc, gradients = run_gates_backward(dh + d_hs[t, tile, me], dc, planes)
            d_z[t, tile, me] = np.stack([*gradients])
            dz = _round(d_z[t, tile, me].reshape(4 * UNITS, STREAMS))
            yield from cluster.send_blocks(n + 1, me, iter(split_rows(w[me] @ dz)))
            yield cluster.wait(n + 1)
            dh = np.zeros_like(dh)
            for sender in range(size):
                dh = dh + cluster.memory[me, (n + 1) % cluster.slots, sender]
                yield None
            dc = dc * planes[-1]
        first_h[tile, me], first_c[tile, me] = dh, dc

    for tile in range(tiles):
        cluster = Cluster(size, seed + tile, slots)
        cluster.run([program(cluster, tile, me) for me in range(size)])
    return d_z, first_h, first_c


def as_jax(function: Callable, **options) -> Callable:
    """Returns an emulation as a function of JAX's arrays."""

    def call(*args):
        shapes = jax.eval_shape(lambda: _make_results(function, *args))
        run = functools.partial(function, **options)
        return jax.pure_callback(lambda *x: run(*map(np.asarray, x)), shapes, *args)

    return call


def _make_results(function, first, *rest):
    """Returns arrays of the shapes that an emulation returns."""
    length, tiles, size = first.shape[:3]
    state = (tiles, size, UNITS, STREAMS)
    residuals = (length, tiles, size, RESIDUALS, UNITS, STREAMS)
    gates = (*residuals[:3], 4, *residuals[4:])
    shapes = {
        emulate_forward: ((length, *state), state, residuals),
        emulate_backward: (gates, state, state),
    }
    return tuple(jnp.zeros(shape) for shape in shapes[function])


def _round(x):
    return x.astype(jnp.bfloat16).astype(np.float32)
