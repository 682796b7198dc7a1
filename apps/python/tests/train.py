"""Trains by the package as a program would; `tests/e2e/python.rs` runs it with settings and a packed corpus.

    python train.py CONFIG CORPUS OUT
"""

import os
import pathlib
import signal
import sys
import threading

import dragoman
from dragoman import DragomanError, Translator

config, corpus, out = sys.argv[1:]
out = pathlib.Path(out)

begun = dragoman.train(config, corpus, out / "run", steps=3, session_minutes=0, quiet=True)
assert not begun["finished"] and begun["step"] < 3, begun
ended = dragoman.train(config, corpus, out / "run", steps=3, quiet=True)
assert ended["finished"] and ended["step"] == 3 and ended["score"] is not None, ended
translated = Translator(ended["model"]).translate("The cat sleeps.", source="en", target="de")
assert isinstance(translated, str)

# Ctrl-C is raised when everything is saved, and the same call goes on. What runs in the background of a shell ignores it
# unless told otherwise.
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    dragoman.train(config, corpus, out / "stopped", steps=2_000, quiet=True)
except KeyboardInterrupt:
    assert list((out / "stopped" / "checkpoints").iterdir())
else:
    raise AssertionError("Ctrl-C did not stop the run")

for call, words in [
    (lambda: dragoman.train("/nowhere.toml", corpus, out / "none"), "/nowhere.toml"),
    (lambda: dragoman.train(config, "/nowhere", out / "none"), "/nowhere"),
    (lambda: dragoman.train(config, "s3://bucket/corpus", out / "none"), "is an address"),
    (lambda: dragoman.train(config, corpus, out / "none", session_minutes=-1.0), "session_minutes"),
]:
    try:
        call()
    except DragomanError as error:
        assert words in str(error), error
    else:
        raise AssertionError(words)
print("ok", dragoman.__version__)
