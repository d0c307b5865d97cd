"""run_app: parses flags, runs a front door, prints one line for a mistake."""

import functools
import io
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import flags

from charlm.config import list_options
from charlm.errors import UserError
from charlm.files import LocalPath

USER_ERROR = 2
# How ml_collections reports an override that does not fit.
CONFIG_ERRORS = (AttributeError, KeyError, TypeError, ValueError)
# What the doors of a trained model share: {name: (default, about)}.
MODEL_FLAGS = {
    "workdir": (LocalPath(), "directory of the training run"),
    "checkpoint": ("best", "best, latest, or a step"),
}
TEXT_FLAGS = {
    "text": (LocalPath(), "a file to read instead of the run's own text"),
    "split": ("valid", "train, valid or test, of the run's own text"),
}


class PathParser(flags.ArgumentParser):
    """Parses a flag whose value is a LocalPath."""

    def parse(self, argument):
        return LocalPath(argument)


DEFINE_FLAG: dict[type, Any] = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    LocalPath: functools.partial(flags.DEFINE, PathParser()),
    list: functools.partial(
        flags.DEFINE_multi, PathParser(), flags.ArgumentSerializer()
    ),
}
HELP = {"--help", "-h", "--helpfull", "-help"}
Options = Mapping[str, tuple[Any, str]]


def run_app(
    about: str,
    options: Options,
    run: Callable[[flags.FlagValues], int | None],
    argv: Sequence[str] | None = None,
    *,
    positional: Sequence[str] = (),
    define_more: Callable[..., Sequence[str]] = lambda values, words: words,
) -> int:
    """Runs a front door and returns its exit status.

    A user's mistake is one line on standard error and status 2, without a traceback.

    Args:
      about: the text of --help, before the flags.
      options: its flags, {name: (default, about)}; a type is a flag without a default,
        a LocalPath a path, a list a flag that can be given many times.
      run: the front door; it returns its exit status, None for 0.
      argv: the words after the program's name.
      positional: the flags that words without a name set, in their order.
      define_more: defines flags of other kinds, given the words; returns the words.
    """
    prepare_streams()
    logging.getLogger("absl").setLevel(logging.ERROR)
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        values = flags.FlagValues()
        values.set_gnu_getopt()  # flags may follow other words
        for name, (default, meaning) in options.items():
            is_type = isinstance(default, type)
            kind, value = (default, None) if is_type else (type(default), default)
            DEFINE_FLAG[kind](name, value, meaning, flag_values=values)
        if HELP & {*words}:
            print(f"{about.strip()}\n\nflags:\n{_describe_flags(values)}")
            return 0
        _parse_flags(values, words, positional, define_more)
        return run(values) or 0
    except BrokenPipeError:  # `... | head` has read enough
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    except (UserError, OSError, MemoryError, RuntimeError) as error:
        message = describe_error(error)
        if message is None:
            raise
        print(f"error: {name_flags(' '.join(message.split()))}", file=sys.stderr)
        return USER_ERROR


def prepare_streams() -> None:
    """Lets standard output and error take any text, with the line ends that it has."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the shell closed it: `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):  # and not a notebook's
            # The encoding of a console or pipe, cp1252 say, lacks most characters.
            errors = (stream.errors or "strict").replace("strict", "backslashreplace")
            stream.reconfigure(errors=errors, newline="")


def describe_error(error: Exception) -> str | None:
    """Returns the message of an error that the user can mend; None for a bug."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):  # of their disk
        where = f"{error.filename}: " if error.filename else ""
        return where + (error.strerror or str(error))
    # JAX's is a RuntimeError of this name.
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return "there is not enough memory: lower the model's size, or the batch's"
    return None


def name_flags(message: str) -> str:
    """Returns a library's message with flags in place of arguments."""
    names = {name: f"--config.{name}" for name in list_options() if "." in name}
    names |= {"another workdir": "another --workdir", "with extend": "with --extend"}
    names |= {"other_text": "--other_text", "num_samples": "--samples"}
    pattern = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    # Only as a word of its own, as `another workdir;` or `train.steps=5`: no path.
    return re.sub(
        rf"(?<= )({pattern})(?=[\s;:,=?]|$)|^({pattern})(?= )",
        lambda match: names[match[0]],
        message,
    )


def _parse_flags(values, words, positional, define_more) -> None:
    """Parses words, those of a --flagfile and of no flag included."""
    try:
        words = values.read_flags_from_files(list(words), force_gnu=True)
        _, *rest = values(["charlm", *define_more(values, words)])
        for number, word in enumerate(rest):
            name = positional[min(number, len(positional) - 1)] if positional else ""
            flag = values[name] if name else None
            if flag is None or (flag.present and not isinstance(flag.value, list)):
                known = " ".join(f"[{name.upper()}]" for name in positional)
                known = f" after {known}" if known else ""
                raise UserError(
                    f"{word!r} is no flag; flags are given as --name=value{known}"
                )
            flag.parse(word)
            flag.using_default_value = False
    except UserError:
        raise
    except flags.Error as error:
        if isinstance(error.__context__, UserError):  # of a path
            raise error.__context__ from None
        raise UserError(f"{_describe(error)}; --help lists the flags") from error
    except CONFIG_ERRORS as error:
        raise UserError(_describe(error)) from error


def _describe_flags(values: flags.FlagValues) -> str:
    lines = []
    for name, value in values.flag_values_dict().items():
        lines.append(f"  --{name}={'' if value is None else value}")
        lines.append(f"      {values[name].help}")
    return "\n".join(lines)


def _describe(error: BaseException) -> str:
    """Returns an error's message as one sentence."""
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return re.sub(r"\s+", " ", text).strip().rstrip(".:") or type(error).__name__
