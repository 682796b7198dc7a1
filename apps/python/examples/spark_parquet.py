"""Translates a column of a Parquet file with Spark (`mapInPandas`).

    pip install "pyspark[sql]" dragoman    # Spark runs on Java
    python spark_parquet.py MODEL english.parquet german/ [--master local[2]] [--from en --to de] [--column text]

A task loads the model when its first batch comes. A task that dies is run again by Spark.
"""
import argparse
import os
import sys

from pyspark.sql import SparkSession


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "input", "output"]:
        parser.add_argument(name)
    parser.add_argument("--master", default="local[2,4]")  # two threads, up to four attempts of a task
    parser.add_argument("--parts", type=int, default=2)
    parser.add_argument("--from", dest="source", default="en")
    parser.add_argument("--to", dest="target", default="de")
    parser.add_argument("--column", default="text")
    arguments = parser.parse_args()
    model, source, target, column = (
        absolute(arguments.model), arguments.source, arguments.target, arguments.column,
    )

    def translate(batches):
        from dragoman import Translator

        translator = Translator(model, beam=1)
        for batch in batches:
            die_once()
            yield batch.assign(translation=translator.translate_batch(batch[column], source=source, target=target))

    os.environ.setdefault("RAYON_NUM_THREADS", "1")  # of local workers; those of a cluster get it below
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers find the packages of this interpreter
    spark = (
        SparkSession.builder.master(arguments.master)
        .appName("dragoman")
        .config("spark.executorEnv.RAYON_NUM_THREADS", "1")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    rows = spark.read.parquet(absolute(arguments.input))
    schema = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in rows.schema)
    parts = rows.coalesce(1) if arguments.parts == 1 else rows.repartitionByRange(arguments.parts, rows.columns[0])
    parts = parts.sortWithinPartitions(rows.columns[0])
    done = parts.mapInPandas(translate, schema=f"{schema}, translation string")
    done.write.mode("overwrite").parquet(absolute(arguments.output))
    spark.stop()


def absolute(path):
    """A local path from the root, for workers in other folders; an address as it is."""
    return path if "://" in path else os.path.abspath(path)


def die_once():
    """For the test: the first task that finds this file takes it away and dies."""
    try:
        os.remove(os.environ.get("DRAGOMAN_DIE_ONCE", ""))
    except OSError:
        return
    os._exit(1)


main()
