"""Translates a column of a Parquet file with Hugging Face Datasets (`map`), in batches and several processes.

    pip install datasets dragoman
    python datasets_map.py MODEL english.parquet german.parquet [--processes 2] [--from en --to de] [--column text]
"""
import argparse
import functools
import os

import datasets

from dragoman import Translator


@functools.cache
def translator(model):
    return Translator(model, beam=1)  # one for each process


def translate(batch, model, source, target, column):
    return {"translation": translator(model).translate_batch(batch[column], source=source, target=target)}


def absolute(path):
    """A local path from the root, for workers in other folders; an address as it is."""
    return path if "://" in path else os.path.abspath(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "input", "output"]:
        parser.add_argument(name)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--from", dest="source", default="en")
    parser.add_argument("--to", dest="target", default="de")
    parser.add_argument("--column", default="text")
    arguments = parser.parse_args()
    os.environ.setdefault("RAYON_NUM_THREADS", "1")

    rows = datasets.Dataset.from_parquet(arguments.input, keep_in_memory=True)
    rows = rows.map(
        translate,
        batched=True,
        batch_size=arguments.batch,
        num_proc=arguments.processes,
        features=datasets.Features({**rows.features, "translation": datasets.Value("string")}),
        fn_kwargs={
            "model": absolute(arguments.model),
            "source": arguments.source,
            "target": arguments.target,
            "column": arguments.column,
        },
    )
    rows.to_parquet(arguments.output)


if __name__ == "__main__":
    main()
