"""The sizes of the Hopper kernels, and the layout of their arrays.

A cluster of h / 32 SMs computes one tile of 16 streams. Each SM owns 32 units: their
four gates, their state, and their weights. The kernels, their emulation and the tests
use the functions of this file.

Letters besides t, b and h: n tiles of streams, c SMs of a cluster, g the four gates
i f g o, u the 32 units of an SM, s the 16 streams of a tile.

The rows of a product's result are in one warpgroup's registers. Of each 64 rows, warp w
has rows 16w to 16w + 15, and a thread that has row 16w + r (r < 8) also has row 16w + 8
+ r. So 64 rows are two blocks of 32: the rows with 8 added, and the others. All weights
are packed for this order: a thread has all gates of its units, and one product has the
partial sums of two SMs.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

UNITS = 32  # of an SM
STREAMS = 16  # of a tile
RESIDUALS = 6  # that the backward loop reads: see hopper_gates.run_gates
MAX_HIDDEN = 512  # 16 SMs are the largest cluster; 128 KiB of weights each
SHARED_MEMORY = 232_448  # bytes that a block may have on an H100


def get_cluster_size(hidden: int) -> int:
    """Returns the number of SMs that share a layer's weights.

    Raises:
      ValueError: if hidden is not 64, 128, 256 or 512.
    """
    if hidden not in (64, 128, 256, MAX_HIDDEN):
        raise ValueError(f"hidden is {hidden}; the kernel has 64, 128, 256 and 512")
    return hidden // UNITS


def get_shared_memory(hidden: int) -> dict[str, int]:
    """Returns the bytes of shared memory of an SM, by pass, without the barriers.

    They have the weights once, and the messages twice, for two steps. The backward loop
    has a partial sum of each SM in float32, and its own dz.
    """
    size = get_cluster_size(hidden)
    weights = 2 * hidden * 4 * UNITS
    forward = weights + 2 * hidden * STREAMS * 2
    backward = weights + 2 * size * UNITS * STREAMS * 4 + 4 * UNITS * STREAMS * 2
    return {"forward": forward, "backward": backward}


def pack_state(x: Float[Array, "*t b h"]) -> Float[Array, "*t n c u s"]:
    """Returns x by tiles and SMs; streams that fill the last tile are zero."""
    *time, batch, hidden = x.shape
    fill = -batch % STREAMS
    x = jnp.pad(x, [(0, 0)] * len(time) + [(0, fill), (0, 0)])
    size = get_cluster_size(hidden)
    x = x.reshape(*time, (batch + fill) // STREAMS, STREAMS, size, UNITS)
    return jnp.moveaxis(x, -3, -1)


def unpack_state(x: Float[Array, "*t n c u s"], batch: int) -> Float[Array, "*t b h"]:
    """Returns the inverse of `pack_state`, without the streams that it added."""
    *time, tiles, size, units, streams = x.shape
    x = jnp.moveaxis(x, -1, -3).reshape(*time, tiles * streams, size * units)
    return x[..., :batch, :]


def pack_gates(z: Float[Array, "t b k"]) -> Float[Array, "t n c g u s"]:
    """Returns z, four blocks of h, by tiles and SMs; an SM's four blocks adjoin."""
    return jnp.stack([pack_state(x) for x in jnp.split(z, 4, axis=-1)], axis=-3)


def unpack_gates(z: Float[Array, "t n c g u s"], batch: int) -> Float[Array, "t b k"]:
    """Returns the inverse of `pack_gates`."""
    blocks = [unpack_state(z[..., gate, :, :], batch) for gate in range(4)]
    return jnp.concatenate(blocks, axis=-1)


def pack_forward_weights(wh: Float[Array, "h k"]) -> Float[Array, "c c rows u"]:
    """Returns wh[h, 4h] in bfloat16, as [SM, sender, 128 rows, 32 columns].

    Rows are the SM's gates, in the order of `split_rows`: i, f in the first 64, g, o in
    the second. Columns are the units that the sender owns.
    """
    size = get_cluster_size(len(wh))
    w = wh.astype(jnp.bfloat16).reshape(size, UNITS, 2, 2, size, 4, 8)
    w = w.transpose(4, 0, 2, 5, 3, 6, 1)  # SM, sender, 64 rows, w, half, r, column
    return w.reshape(size, size, 4 * UNITS, UNITS)


def pack_backward_weights(wh: Float[Array, "h k"]) -> Float[Array, "c h cols"]:
    """Returns wh[h, 4h] in bfloat16, as [SM, h rows, 128 columns].

    Columns are the SM's own gates. Rows are all units, in the order of `split_rows`, in
    blocks of 32 for one receiver each: SM m's block d is for SM (m + d) % c, so that
    all SMs start with different receivers.
    """
    size = get_cluster_size(len(wh))
    w = wh.astype(jnp.bfloat16).reshape(size, 4, 8, 4, size, UNITS)
    w = jnp.moveaxis(w, 4, 0)  # SM, receiver, w, r, gate, unit
    sm = np.arange(size)
    w = w[sm[:, None], (sm[:, None] + sm) % size]
    w = w.reshape(size, size // 2, 2, 4, 8, 4 * UNITS).transpose(0, 1, 3, 2, 4, 5)
    return w.reshape(size, size * UNITS, 4 * UNITS)


def split_rows(product: np.ndarray) -> np.ndarray:
    """Returns a product's rows [64 m, s] as blocks [2m, 32, s], as in one thread."""
    rows, streams = product.shape
    blocks = product.reshape(rows // 64, 4, 2, 8, streams).transpose(0, 2, 1, 3, 4)
    return blocks.reshape(-1, UNITS, streams)
