"""Parameters: the Flax module that draws them."""

import flax.linen as nn

from charlm.config import ModelConfig
from charlm.model.cell import Cell
from charlm.model.init import list_parameters


class Parameters(nn.Module):
    """The parameters of a language model; Flax derives a key for each from its name."""

    config: ModelConfig
    cell: Cell

    @nn.compact
    def __call__(self):
        for name, initializer in list_parameters(self.config, self.cell).items():
            self.param(name, *initializer)
