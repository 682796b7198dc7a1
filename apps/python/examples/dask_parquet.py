"""Translates a column of a Parquet file with workers of Dask (`map_partitions`).

    pip install "dask[dataframe,distributed]" dragoman
    python dask_parquet.py MODEL english.parquet german/ [--workers 2] [--from en --to de] [--column text]

Each worker is a process that loads the model once. A worker that dies is started again, and its parts are translated
anew by those that live. `--scheduler tcp://…` takes the workers of a cluster.
"""
import argparse
import functools
import os

import dask.dataframe
from dask.distributed import Client

from dragoman import Translator


@functools.cache
def translator(model):
    return Translator(model, beam=1)  # one for each process


def translate(rows, model, source, target, column):
    die_once()
    translation = translator(model).translate_batch(rows[column], source=source, target=target)
    return rows.assign(translation=translation).astype({"translation": rows[column].dtype})


def die_once():
    """For the test: the first worker that finds this file takes it away and dies."""
    try:
        os.remove(os.environ.get("DRAGOMAN_DIE_ONCE", ""))
    except OSError:
        return
    os._exit(1)


def absolute(path):
    """A local path from the root, for workers in other folders; an address as it is."""
    return path if "://" in path else os.path.abspath(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "input", "output"]:
        parser.add_argument(name)
    parser.add_argument("--scheduler")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--parts", type=int, default=2)
    parser.add_argument("--from", dest="source", default="en")
    parser.add_argument("--to", dest="target", default="de")
    parser.add_argument("--column", default="text")
    arguments = parser.parse_args()
    os.environ.setdefault("RAYON_NUM_THREADS", "1")  # of local workers

    local = {"n_workers": arguments.workers, "threads_per_worker": 1, "dashboard_address": None}
    with Client(arguments.scheduler) if arguments.scheduler else Client(**local):
        rows = dask.dataframe.read_parquet(absolute(arguments.input))
        rows = rows.repartition(npartitions=max(rows.npartitions, arguments.parts))
        done = rows.map_partitions(
            translate,
            absolute(arguments.model),
            arguments.source,
            arguments.target,
            arguments.column,
            meta=rows._meta.assign(translation=rows._meta[arguments.column]),
        )
        done.to_parquet(absolute(arguments.output), write_index=False)


if __name__ == "__main__":
    main()
