"""Uses the package as a program would; `tests/e2e/python.rs` runs it with the folder of the tests' model.

    python use.py MODEL
"""

import pathlib
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import dragoman
from dragoman import DragomanError, Recommender, Translator

translator = Translator(sys.argv[1], beam=2)
assert "de" in translator.languages and "en" in translator.languages, translator.languages
assert translator.can_translate("en", "de") and not translator.can_translate("en", "xx")

texts = ["The cat sleeps.", "", "The cat sleeps."]
german = translator.translate_batch(texts, source="en", target="de")
assert german == ["Die Katze schläft.", "", "Die Katze schläft."], german
assert translator.translate("The cat sleeps.", source="en", target="de-AT") == german[0]

html = translator.translate('<p class="x">The cat sleeps.</p>', source="en", target="de", format="html")
assert html == '<p class="x">Die Katze schläft.</p>', html
kept = translator.translate("bob@example.org", source="en", target="de")
assert kept == "bob@example.org", kept
word = translator.translate("The cat sleeps.", source="en", target="de", glossary={"cat": "Mieze"})
assert "Mieze" in word, word



class Column:
    """Stands for a column of pandas, which has NaN in place of null."""

    def __init__(self, *rows):
        self.rows = list(rows)

    def to_list(self):
        return self.rows


# What is null stays null, in lists and columns; `columns.py` has the real ones.
nulls = [german[0], None, ""]
assert translator.translate_batch(["The cat sleeps.", None, ""], source="en", target="de") == nulls
assert translator.translate_batch(Column("The cat sleeps.", float("nan"), ""), source="en", target="de") == nulls
assert translator.translate_batch((None,), target="de") == [None]
for texts, words in [
    ("The cat sleeps.", "`str` is not a list; give a list, a column of pyarrow"),
    (Column("The cat sleeps.", 3), "row 1 is `int`: a text is `str`, or `None`"),
    (iter(["The cat sleeps."]), "is not a list"),
]:
    try:
        translator.translate_batch(texts, target="de")
    except TypeError as error:
        assert words in str(error), error
    else:
        raise AssertionError(words)

for call, words in [
    (lambda: translator.translate("x", source="en", target="tlh"), "`tlh` is not one of the model's: "),
    (lambda: translator.translate("x", source="en", target="de", format="pdf"), "text, html or xml"),
    (lambda: translator.translate("x", source="en", target="de", domain="none"), "unknown domain `none`"),
    (lambda: Translator(sys.argv[1], beam=0), "between 1 and 16"),
    (lambda: Translator(sys.argv[1], precision="f64"), "int8, bf16 or f32"),
    (lambda: Translator("/nowhere"), "/nowhere"),
    (lambda: Translator("s3://bucket/model"), "fetch the model first"),
    (lambda: Recommender(pathlib.Path("file:///models/shop")), "fetch the model first"),
]:
    try:
        call()
    except DragomanError as error:
        assert words in str(error), error
    else:
        raise AssertionError(words)

# Threads share one model, and other processes get their own by pickling.
with ThreadPoolExecutor(4) as pool:
    found = list(pool.map(lambda _: translator.translate("The cat sleeps.", source="en", target="de"), range(8)))
assert set(found) == {german[0]}, found
again = pickle.loads(pickle.dumps(translator))
assert again.translate("The cat sleeps.", source="en", target="de") == german[0]

# Frameworks that are installed take a function over batches.
try:
    from datasets import Dataset
except ImportError:
    print("SKIPPED datasets: it is not installed")
else:
    rows = Dataset.from_dict({"text": texts})
    rows = rows.map(lambda batch: {"german": translator.translate_batch(batch["text"], source="en", target="de")}, batched=True)
    assert rows["german"][:] == german
print("ok", dragoman.__version__)
