"""Character-level language models as four pure functions, on JAX and Flax.

    model = charlm.fit("my.txt", workdir="runs/mine", steps=2000)
    print(model.generate("Once ", length=300, temperature=0.7))

Names are imported when they are first used, so that `import charlm` is cheap. They are
listed in `__init__.pyi`.
"""

import lazy_loader

from charlm.version import VERSION

__version__ = VERSION
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
