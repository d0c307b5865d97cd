"""`charlm write`: what keys do, and whole sessions in a terminal."""

import asyncio
import os
import signal
import sys
import time

import pytest
from conftest import door, refused
from draws import draw_params
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from charlm.cli.editor import Editor, Settings
from charlm.cli.screen import make_app
from charlm.data.vocab import Vocab
from charlm.generation.generate import generate_batch
from charlm.generation.sampler import SamplingParams
from charlm.model.lm import make_language_model
from charlm.workdir.model_files import Model

VOCAB = Vocab.of("\n abcdefgh.")
LM = make_language_model(vocab_size=len(VOCAB), features=8, layers=1)
MODEL = Model(LM, draw_params(LM, scale=0.4), VOCAB)
ESCAPE, UNDO, REDO, SAVE, COOLER, WARMER = (
    "\x1b",
    "\x1a",
    "\x19",
    "\x13",
    "\x12",
    "\x14",
)


def write_with(editor, drive):
    """Returns an editor after drive(editor, press, wait) has pressed keys."""

    async def run():
        with (
            create_pipe_input() as keyboard,
            create_app_session(input=keyboard, output=DummyOutput()),
        ):
            app = make_app(editor)
            running = asyncio.create_task(app.run_async())

            async def wait(condition):
                end = time.monotonic() + 60
                while not condition():
                    assert time.monotonic() < end and not running.done()
                    await asyncio.sleep(0.005)

            await wait(lambda: app.is_running)
            await drive(editor, keyboard.send_text, wait)
            if not running.done():
                app.exit()
            await running

    try:
        asyncio.run(run())
    finally:
        editor.close()
    return editor


def test_keys_ask_choose_and_undo():
    async def drive(editor, press, wait):
        def listed():
            return editor.choices and editor.choices.done

        press("a bad cab")
        press("\t")
        await wait(listed)
        first = editor.choices.texts
        assert len(set(first)) == 5
        press("\t")
        await wait(lambda: listed() and editor.choices.texts != first)
        others = editor.choices.texts
        press("\x1b[B\r")  # down, Enter
        await wait(lambda: editor.choices is None)
        assert editor.buffer.text == "a bad cab" + others[1]
        press(" bed")
        await wait(lambda: editor.buffer.text.endswith(" bed"))
        for expected in (" ", "", None):
            press(UNDO)
            text = (
                "a bad cab" if expected is None else f"a bad cab{others[1]}{expected}"
            )
            await wait(lambda text=text: editor.buffer.text == text)
        press(UNDO)
        await wait(lambda: editor.buffer.text == "a bad ")
        press(REDO)
        await wait(lambda: editor.buffer.text == "a bad cab")
        press("\t")
        await wait(listed)
        third = editor.choices.texts[2]
        press("3")
        await wait(lambda: editor.buffer.text == "a bad cab" + third)
        press("\t")
        await wait(listed)
        press(ESCAPE)
        await wait(lambda: editor.choices is None)
        press("3")  # a character as any other
        await wait(lambda: editor.buffer.text == f"a bad cab{third}3")

    write_with(Editor(MODEL, None, Settings(length="20")), drive)


def test_the_temperature_changes_the_list_and_what_is_typed_puts_it_away():
    async def drive(editor, press, wait):
        press("a bé\t")
        await wait(lambda: editor.choices and editor.choices.done)
        assert "'é'" in editor.message
        press(COOLER)
        await wait(lambda: editor.choices.done and len(editor.choices.texts) == 1)
        assert editor.settings.temperature == 0
        [likeliest] = editor.choices.texts
        assert [likeliest] == generate_batch(
            MODEL, "a b", length=20, sampling=SamplingParams(0)
        )
        press(COOLER + WARMER + WARMER)
        await wait(lambda: editor.settings.temperature == 0.2 and not editor.busy)
        press("c")
        await wait(lambda: editor.choices is None and editor.message == "")

    write_with(Editor(MODEL, None, Settings(0.1, "20")), drive)


def test_a_model_of_bytes_writes_whole_characters():
    vocab = Vocab.of("aé€ ".encode(), "byte")
    net = make_language_model(vocab_size=len(vocab), features=8, layers=1)

    async def drive(editor, press, wait):
        press("aé\t")
        await wait(lambda: editor.choices and editor.choices.done)
        assert editor.message == "" and editor.choices.texts
        press("1")
        await wait(lambda: len(editor.buffer.text) > 2)

    model = Model(net, draw_params(net), vocab)
    editor = write_with(Editor(model, None, Settings(length="31")), drive)
    assert not editor.buffer.text.endswith("\ufffd")


def test_every_byte_of_a_file_is_kept(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf\xe9\r\n\ttea")

    async def drive(editor, press, wait):
        press("s" + SAVE)
        await wait(lambda: editor.message.startswith("saved"))

    write_with(Editor(MODEL, path, Settings()), drive)
    assert path.read_bytes() == b"caf\xe9\r\n\tteas"


def test_a_text_is_saved_under_another_name_where_it_cannot_be(tmp_path):
    (tmp_path / "there.txt").write_text("before")

    async def drive(editor, press, wait):
        press("text" + SAVE)
        await wait(lambda: "Ctrl-S asks for another name" in editor.message)
        for answer in ("n", "y"):
            press(SAVE)
            await wait(lambda: editor.questions.current)
            press(f"{tmp_path}/there.txt\r")
            await wait(lambda: "replace it?" in editor.questions.current.label)
            press("x" + answer)  # x is no answer
            await wait(lambda: editor.questions.current is None)
            expected = "before" if answer == "n" else "text"
            assert (tmp_path / "there.txt").read_text() == expected
        press(SAVE)
        await wait(lambda: editor.message == f"saved {tmp_path}/there.txt")

    write_with(Editor(MODEL, tmp_path / "no folder" / "a.txt", Settings()), drive)


def test_without_a_terminal_and_with_wrong_settings(trained, monkeypatch):
    refused(door("write", trained / "run"), "use `charlm sample`")
    for setting in (["--length=x"], ["--temperature=-1"], ["--seed=-1"]):
        monkeypatch.setattr("charlm.write.is_terminal", lambda: True)
        refused(door("write", trained / "run", *setting), setting[0][2:6])
    refused(door("write", trained / "none"), "there is no workdir")


@pytest.fixture
def open_terminal(trained, tmp_path):
    """(*words) -> a terminal in which `charlm write` runs, in tmp_path."""
    if sys.platform == "win32":
        pytest.skip("Windows has no pseudo-terminals for Python")
    from terminal import Terminal

    terminals = []

    def run(*words):
        command = [sys.executable, "-m", "charlm", "write", str(trained / "run")]
        env = os.environ | {"TERM": "xterm-256color"}
        terminals.append(Terminal([*command, *words], cwd=tmp_path, env=env))
        terminals[-1].wait_for("Tab continue")
        return terminals[-1]

    yield run
    for terminal in terminals:
        terminal.close()


def test_a_session_in_a_terminal(open_terminal, tmp_path):
    terminal = open_terminal("--length=10", "--temperature=0.7")
    terminal.send("the cat 5")
    assert "temperature 0.70  |  10 characters" in terminal.wait_for("the cat 5")
    terminal.send("\t")
    screen = terminal.wait_for(lambda text: "\n 5 " in text and "writing" not in text)
    assert "never seen it: '5'" in screen
    first = next(line[3:] for line in screen.splitlines() if line.startswith(" 1 "))
    terminal.send("1")
    screen = terminal.wait_for(lambda text: "\n 5 " not in text)
    assert screen.startswith("the cat 5" + first.partition("⏎")[0].rstrip())
    terminal.send(UNDO)
    terminal.wait_for(lambda text: text.startswith("the cat 5\n\n"))
    terminal.send(WARMER)
    terminal.wait_for("temperature 0.80")
    terminal.send("\x03")
    terminal.wait_for("save before you leave?")
    terminal.send("y")
    terminal.wait_for("save as:")
    terminal.send("mine.txt\r")
    assert terminal.wait_for_exit() == 0
    assert (tmp_path / "mine.txt").read_text() == "the cat 5"
    terminal = open_terminal("mine.txt")
    terminal.wait_for("the cat 5")
    terminal.send("\x04")  # there is nothing to ask
    assert terminal.wait_for_exit() == 0


@pytest.mark.parametrize("how", ["SIGTERM", "hang up"])
def test_a_text_outlives_the_terminal(open_terminal, tmp_path, how):
    (tmp_path / "mine.txt").write_text("the ")
    (tmp_path / "mine.txt.unsaved").write_text("another's")
    terminal = open_terminal("mine.txt")
    terminal.send("dog")
    terminal.wait_for("the dog")
    if how == "SIGTERM":
        os.kill(terminal.process.pid, signal.SIGTERM)
        assert terminal.wait_for_exit() == 2
        assert "mine.txt.unsaved1" in terminal.text
        assert "error: stopped by SIGTERM" in terminal.text
    else:
        terminal.hang_up()
    assert (tmp_path / "mine.txt.unsaved1").read_text() == "the dog"
    assert (tmp_path / "mine.txt").read_text() == "the "
    assert (tmp_path / "mine.txt.unsaved").read_text() == "another's"
