"""Translates a column of a Parquet file with workers of Ray Data.

    pip install "ray[data]" dragoman
    python ray_parquet.py MODEL english.parquet german/ [--workers 2] [--from en --to de] [--column text]

Each worker holds a model of its own on one core. Workers that claim whole cores of a small machine leave none for
reading the file, and nothing begins: hence half a core each. A worker that dies is started again by Ray, and its
batch is translated anew.
"""
import argparse
import os

import ray

from dragoman import Translator


class Translate:
    def __init__(self, model, source, target, column):
        self.translator = Translator(model, beam=1)
        self.source, self.target, self.column = source, target, column

    def __call__(self, batch):
        die_once()
        translation = self.translator.translate_batch(batch[self.column], source=self.source, target=self.target)
        return batch.append_column("translation", translation)


def die_once():
    """For the test: the first worker that finds this file takes it away and dies."""
    mark = os.environ.get("DRAGOMAN_DIE_ONCE", "")
    try:
        os.remove(mark)
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
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--from", dest="source", default="en")
    parser.add_argument("--to", dest="target", default="de")
    parser.add_argument("--column", default="text")
    arguments = parser.parse_args()

    variables = {"RAYON_NUM_THREADS": "1", "DRAGOMAN_DIE_ONCE": os.environ.get("DRAGOMAN_DIE_ONCE", "")}
    ray.init(runtime_env={"env_vars": variables}, log_to_driver=False)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    rows = ray.data.read_parquet(absolute(arguments.input))
    rows = rows.map_batches(
        Translate,
        fn_constructor_args=(absolute(arguments.model), arguments.source, arguments.target, arguments.column),
        compute=ray.data.ActorPoolStrategy(size=arguments.workers),
        num_cpus=0.5,
        batch_size=arguments.batch,
        batch_format="pyarrow",
    )
    rows.write_parquet(absolute(arguments.output))


main()
