# lazy_loader reads the public names from this stub, as type checkers do.
from .api import Model as Model
from .api import fit as fit
from .api import load_model as load_model
from .config import RunConfig as RunConfig
from .data.corpus import open_corpus as open_corpus
from .data.streams import Batch as Batch
from .data.streams import Streams as Streams
from .data.vocab import Vocab as Vocab
from .errors import UserError as UserError
from .evaluation.score import Score as Score
from .evaluation.score import score as score
from .generation.generate import generate as generate
from .generation.generate import generate_batch as generate_batch
from .generation.generate import generate_stream as generate_stream
from .generation.sampler import SamplingParams as SamplingParams
from .interpret.activations import Activations as Activations
from .interpret.activations import record_activations as record_activations
from .interpret.viewer.notebook import show as show
from .model.cell import Cell as Cell
from .model.cells import gru as gru
from .model.cells import lstm as lstm
from .model.cells import rnn as rnn
from .model.flax import from_linen as from_linen
from .model.flax import from_nnx as from_nnx
from .model.flax import to_linen as to_linen
from .model.lm import LanguageModel as LanguageModel
from .model.lm import make_language_model as make_language_model
from .model.lm import observe as observe
from .training.optimizer import make_optimizer as make_optimizer
from .training.optimizer import make_schedule as make_schedule
from .training.step import StepMetrics as StepMetrics
from .training.step import TrainState as TrainState
from .training.step import init_state as init_state
from .training.step import make_train_step as make_train_step

__version__: str
