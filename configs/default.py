"""The defaults of charlm.config.

`charlm train --help` lists all options with their meanings. The model, the optimizer
and the windows have char-rnn's defaults where it has the option. `:smoke` is a run of
seconds.
"""

from charlm.presets import default_config, pick, small, smoke
from charlm.presets import use_adamw as adamw

__all__ = ["adamw", "get_config", "pick", "small", "smoke"]  # for configs of yours


def get_config(variant: str = ""):
    return pick(default_config(), variant, smoke=smoke)
