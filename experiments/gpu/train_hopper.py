"""charlm.train with the LSTM by Hopper kernels, in bfloat16; elsewhere, by the scan."""

import sys


def main() -> int:
    from charlm import Cell, train
    from charlm.model import cells
    from charlm.model.jax_setup import configure_jax
    from experiments.gpu.hopper_lstm import unroll_lstm_on_hopper

    configure_jax()
    import jax

    def make_lstm(initializer: str, forget_bias: float) -> Cell:
        lstm = cells.make_lstm(initializer, forget_bias)
        if jax.default_backend() != "gpu":
            return lstm
        return lstm._replace(unroll=unroll_lstm_on_hopper)

    cells.MAKERS |= {"lstm": make_lstm}
    return train.main()


if __name__ == "__main__":
    sys.exit(main())
