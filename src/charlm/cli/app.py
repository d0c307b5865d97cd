"""run(main): flags in, one line out for a mistake, an exit status."""

import logging
import os
import re
import sys
import traceback
from collections.abc import Callable

from absl import flags

from charlm.errors import UserError

USER_ERROR = 2
# How ml_collections says that an override does not fit, and how a config file fails.
CONFIG_ERRORS = (
    *(AttributeError, KeyError, TypeError, ValueError),
    *(ImportError, NameError, SyntaxError),
)

# How it names a knob that there is not: quoted, and sometimes quoted again.
KNOB = re.compile(
    r"""["'\\]*(\w+)["'\\]*(?:(?:\\n|\s)Did you mean "(\w+)".*)?$""", re.DOTALL
)


def run(main: Callable[[], int | None], *, about: str) -> None:
    """Parses the command line, runs `main`, and exits.

    A mistake of the user's is one line on standard error and exit status 2; no
    traceback. `main` returns its exit status, None for 0.
    """
    for name in ("stdout", "stderr"):  # None where the shell closed it: `>&-`
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))
    logging.getLogger("absl").setLevel(logging.ERROR)  # its warnings say what we say
    try:
        sys.exit(_parsed(main, about))
    except BrokenPipeError:  # `... | head` has read enough
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
    except (UserError, OSError, MemoryError, RuntimeError) as error:
        message = _message(error)
        if message is None:
            raise
        print(f"error: {' '.join(message.split())}", file=sys.stderr)
        sys.exit(USER_ERROR)


def _message(error: Exception) -> str | None:
    """What to tell of an error that the user can mend; None if it is a bug of ours."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):  # of their disk
        where = f"{error.filename}: " if error.filename else ""
        return where + (error.strerror or str(error))
    # JAX's is a RuntimeError of this name.
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return "there is not enough memory: lower the model's size, or the batch's"
    return None


def _parsed(main, about: str) -> int | None:
    if any(word in ("--help", "-h", "--helpfull") for word in sys.argv[1:]):
        print(about.strip() + "\n" + _help())
        return 0
    try:
        rest = flags.FLAGS(sys.argv)
    except flags.Error as error:
        raise UserError(f"{_sentence(error)}; --help lists the flags") from error
    except CONFIG_ERRORS as error:
        raise UserError(_sentence(error)) from error
    except OSError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise UserError(f"{reason}; is that the config's path?") from error
    except Exception as error:  # a config is its user's own code: anything may come
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            f"{at.filename}, line {at.lineno}: {type(error).__name__}:"
            f" {_sentence(error)}; mend that config"
        ) from error
    if len(rest) > 1:
        raise UserError(f"{rest[1]!r} is no flag; flags are given as --name=value")
    return main()


def _help() -> str:
    """This front door's own flags, without those of the libraries."""
    return flags.FLAGS.module_help(sys.argv[0])


def _sentence(error: BaseException) -> str:
    text = str(error.args[0] if isinstance(error, KeyError) else error)
    knob = isinstance(error, (KeyError, AttributeError)) and KNOB.match(text)
    if knob:
        hint = f"; did you mean {knob[2]}?" if knob[2] else ""
        return f"the config has no {knob[1]}{hint}"
    if "Traceback" in text:  # ml_collections folds a config file's into its message
        text = text.strip().splitlines()[-1].partition(": ")[2]
    return re.sub(r"\s+", " ", text).strip().rstrip(".:") or type(error).__name__
