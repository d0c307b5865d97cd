"""The terminal of `charlm write`: what an editor looks like, and what its keys do."""

import asyncio
import contextlib
import signal
from collections.abc import Callable

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    VSplit,
    Window,
)
from prompt_toolkit.layout.processors import TabsProcessor
from prompt_toolkit.styles import Style

from charlm.cli.continuations import COUNT, ENDS
from charlm.cli.editor import Editor
from charlm.cli.word_wrap import WordWrap, wrap_words
from charlm.errors import UserError

HELP = "Tab continue  ^R cooler  ^T warmer  ^L length  ^Z undo  ^S save  ^C leave"
LIST_HELP = (
    "1-5 or Enter take  Up Down mark  Tab others  ^R cooler  ^T warmer  Esc away"
)
STYLE = Style.from_dict({"status": "reverse", "selected": "bold reverse", "dim": "dim"})
TEMPERATURE_STEP = 0.1
STOP_SIGNALS = [s for s in signal.Signals if s.name in ("SIGTERM", "SIGHUP")]
ESCAPE_SECONDS = 0.05  # after which Esc is no beginning of another key


def run(editor: Editor) -> None:
    """Shows an editor until its writer leaves.

    Raises UserError if the terminal or another program ends it before.
    """
    app = make_app(editor)

    def stop(error: BaseException) -> None:
        if not app.is_done:
            app.exit(exception=error)

    def prepare() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(
            lambda _, context: stop(
                context.get("exception") or RuntimeError(context["message"])
            )
        )
        for number in STOP_SIGNALS:
            error = UserError(f"stopped by {number.name}")
            with contextlib.suppress(NotImplementedError):  # Windows' loop has none
                loop.add_signal_handler(number, stop, error)
        editor.warm_up()

    try:
        app.run(prepare, set_exception_handler=False)
    except EOFError as error:
        raise UserError("the terminal was closed") from error


def make_app(editor: Editor) -> Application[None]:
    """Returns the application, to be run."""
    app: Application[None] = Application(
        layout=Layout(make_screen(editor), focused_element=editor.buffer),
        key_bindings=make_keys(editor),
        style=STYLE,
        full_screen=True,
    )
    app.ttimeoutlen = ESCAPE_SECONDS
    return app


def make_screen(editor: Editor) -> HSplit:
    """Returns the text, below it the list, and two lines at the bottom."""
    text = BufferControl(
        editor.buffer,
        input_processors=[TabsProcessor(char1=" ", char2=" "), WordWrap()],
    )
    choices = FormattedTextControl(lambda: format_choices(editor))
    question = FormattedTextControl(
        lambda: editor.questions.current.label if editor.questions.current else ""
    )
    asking = Condition(lambda: editor.questions.current is not None)
    answer = [
        Window(question, dont_extend_width=True),
        Window(BufferControl(editor.questions.answer)),
    ]
    help_line = FormattedTextControl(lambda: LIST_HELP if editor.choices else HELP)
    status = FormattedTextControl(lambda: format_status(editor))
    return HSplit(
        [
            Window(text, wrap_lines=True, height=Dimension(min=3)),
            ConditionalContainer(
                Window(
                    choices,
                    wrap_lines=True,
                    dont_extend_height=True,
                    get_line_prefix=format_number,
                ),
                Condition(lambda: editor.choices is not None),
            ),
            ConditionalContainer(
                Window(
                    status,
                    wrap_lines=True,
                    dont_extend_height=True,
                    style="class:status",
                ),
                ~asking,
            ),
            ConditionalContainer(VSplit(answer, height=1), asking),
            Window(help_line, height=1, style="class:dim"),
        ]
    )


def format_status(editor: Editor) -> str:
    """Returns the line that says how the model writes, and what happened."""
    temperature, length, _ = editor.settings
    name = editor.path.name if editor.path else "no file yet"
    length = f"a {length}" if length in ENDS else f"{length} characters"
    doing = "writing ..." if editor.choices else "getting ready ..."
    parts = [name + " *" * editor.unsaved, f"temperature {temperature:.2f}", length]
    line = "  |  ".join(filter(None, [*parts, doing * editor.busy, editor.message]))
    return "".join(wrap_words(line, get_app().output.get_size().columns))


def format_choices(editor: Editor) -> StyleAndTextTuples:
    """Returns the list of continuations, a line each, the marked one highlighted."""
    if not editor.choices:
        return []
    fragments: StyleAndTextTuples = []
    width = get_app().output.get_size().columns - len(format_number(0, 0))
    for place, text in enumerate(editor.choices.texts):
        line = "".join(wrap_words(text.replace("\n", "⏎ ").expandtabs(4), width))
        marked = place == editor.choices.selected
        # The window scrolls to the cursor, which is not shown.
        fragments += [("[SetCursorPosition]", "")] * marked
        fragments += [("class:selected" if marked else "", line), ("", "\n")]
    return fragments[:-1]


def format_number(line: int, row: int) -> str:
    """Returns what stands before a row of a continuation: its key before the first."""
    return "   " if row else f" {line + 1} "


def starts_word(event: KeyPressEvent) -> bool:
    """Returns whether a key ends what the last ones wrote: a word is undone at once."""
    keys = [*event.previous_key_sequence[-1:], *event.key_sequence]
    return len(keys) < 2 or not all(key.data.isalnum() for key in keys)


def make_keys(editor: Editor) -> KeyBindings:
    """Returns what keys do, beside what they do in every editor."""
    keys, questions = KeyBindings(), editor.questions
    asking = Condition(lambda: editor.questions.current is not None)
    choosing = Condition(lambda: editor.choices is not None) & ~asking

    def bind(name: str, action: Callable, *values, when=~asking, **options) -> None:
        @keys.add(name, filter=when, **options)
        def _(event) -> None:
            result = action(*values)
            if asyncio.iscoroutine(result):
                event.app.create_background_task(result)

    bind("tab", editor.ask)
    bind("c-r", editor.change_temperature, -TEMPERATURE_STEP)
    bind("c-t", editor.change_temperature, TEMPERATURE_STEP)
    bind("c-l", editor.change_length)
    for name in ("c-z", "c-_"):
        bind(name, editor.buffer.undo, save_before=lambda _: False)
    bind("c-y", editor.buffer.redo, save_before=lambda _: False)

    @keys.add(Keys.Any, filter=~asking, save_before=starts_word)
    def _(event) -> None:
        event.current_buffer.insert_text(event.data * event.arg)

    bind("c-s", editor.save)
    bind("c-c", editor.leave)
    bind("c-d", editor.leave)
    for place in range(COUNT):
        bind(f"{place + 1}", editor.choose, place, when=choosing)
    bind("enter", editor.choose, when=choosing)
    bind("up", editor.mark, -1, when=choosing)
    bind("down", editor.mark, 1, when=choosing)
    bind("escape", editor.put_away, when=choosing, eager=True)
    bind("enter", lambda: questions.reply(questions.answer.text), when=asking)
    for name in ("escape", "c-c", "c-d"):
        bind(name, questions.reply, "", when=asking, eager=True)
    return keys
