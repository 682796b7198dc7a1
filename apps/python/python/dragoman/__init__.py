"""Translates and recommends with one mixture-of-experts engine.

    from dragoman import Translator

    translator = Translator("models/translation")
    translator.translate_batch(["Where is the library?"], source="en", target="de")
"""

from ._dragoman import DragomanError, Recommender, Translator, __version__, train

__all__ = ["DragomanError", "Recommender", "Translator", "__version__", "train"]
