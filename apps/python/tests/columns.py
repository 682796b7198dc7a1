"""Uses columns of pyarrow, pandas, polars and NumPy; `tests/engines` runs it where they are installed.

    python columns.py MODEL [RECOMMENDER]
"""

import datetime
import sys

import pyarrow as pa

from dragoman import Recommender, Translator

translator = Translator(sys.argv[1], beam=1)
texts = ["The cat sleeps.", None, "", "Where is the key?"]
german = translator.translate_batch(texts, source="en", target="de")
assert german[1:3] == [None, ""] and german[0] and german[3], german


def translated(column):
    return translator.translate_batch(column, source="en", target="de")


# A column of pyarrow gives one, of strings whatever is in it.
for kind in [pa.string(), pa.large_string()]:
    found = translated(pa.array(texts, kind))
    assert isinstance(found, pa.Array) and found.type == kind and found.to_pylist() == german, found
coded = translated(pa.array(texts).dictionary_encode())
assert coded.type == pa.string() and coded.to_pylist() == german, coded
for nothing in [pa.nulls(2), pa.array([None, None], pa.string())]:
    assert translated(nothing).type == pa.string() and translated(nothing).to_pylist() == [None, None]
chunked = pa.chunked_array([texts[:1], texts[1:]])
table = pa.table({"text": chunked})
table = table.append_column("german", translated(table["text"]))
assert table.schema.field("german").type == pa.string() and table["german"].to_pylist() == german, table
assert translated(chunked[:0]).to_pylist() == []
assert translated(pa.array(["x", *texts])[1:]).to_pylist() == german  # a slice does not begin where its buffer does


def columns(name, make):
    try:
        made = make()
    except ImportError:
        print(f"SKIPPED {name}: it is not installed")
        return
    for column in made:
        assert translated(column) == german, (name, column)


def of_pandas():
    import pandas

    kinds = [None, object, "string"]
    return [pandas.Series(texts, dtype=kind, index=[9, 7, 5, 3]) for kind in kinds]


def of_polars():
    import polars

    return [polars.Series(texts), polars.Series(texts, dtype=polars.Categorical)]


def of_numpy():
    import numpy

    return [numpy.array(texts, dtype=object)]


def of_datasets():
    import datasets

    return [datasets.Dataset.from_dict({"text": texts})["text"]]


for name, make in [("pandas", of_pandas), ("polars", of_polars), ("NumPy", of_numpy), ("datasets", of_datasets)]:
    columns(name, make)

for wrong, words in [
    (pa.array([1, 2]), "row 0 is `int`"),
    (table, "row 0 is `dict`"),
    (b"text", "row 0 is `int`"),
]:
    try:
        translated(wrong)
    except TypeError as error:
        assert words in str(error), error
    else:
        raise AssertionError(words)

if len(sys.argv) > 2:
    recommender = Recommender(sys.argv[2])
    first, second = recommender.items[:2]
    seconds = [1_700_000_000, 1_700_003_600]
    times = [datetime.datetime.fromtimestamp(at, datetime.timezone.utc) for at in seconds]
    expected = recommender.recommend([(first, seconds[0]), (second, seconds[1])], n=5, now=1_700_010_000)
    struct = pa.array([{"item": first, "time": seconds[0]}, None, {"item": second, "time": seconds[1]}])
    rows = pa.table({"item": [first, None, second], "time": pa.array([times[0], None, times[1]], pa.timestamp("us"))})
    histories = [
        list(zip([first, second], times)),
        [(first, times[0].replace(tzinfo=None)), (second, float(seconds[1])), (None, 0), (first, None)],
        struct,
        pa.array([struct.to_pylist()])[0],
        rows,
        rows.to_pandas(),
    ]
    try:
        import polars
    except ImportError:
        print("SKIPPED polars: it is not installed")
    else:
        histories.append(polars.from_arrow(rows))
    for history in histories:
        found = recommender.recommend(history, n=5, now=1_700_010_000, labels=pa.array(["x", None]))
        assert found == expected, (history, found, expected)
    for wrong, words in [
        (first, "is not a list"),
        ([first], "is not a list"),
        ([(first,)], "has 1 columns; it has two"),
        ([(1, 2)], "an item is `str`"),
        ([(first, "today")], "a time is seconds since 1970"),
    ]:
        try:
            recommender.recommend(wrong)
        except TypeError as error:
            assert words in str(error), error
        else:
            raise AssertionError(words)
print("columns: as lists")
