"""Parquet files with random columns, values and ways of writing, and what Python reads in them.

Usage: python3 fuzz_parquet.py FOLDER [COUNT [SEED]]      (needs the package `pyarrow`)

Writes N.parquet and N.json into the folder. `scripts/fuzz-parquet.ts` runs this and compares.
"""
import datetime
import decimal
import json
import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SIMPLE = [pa.int8(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.string(), pa.date32(), pa.uint16(), pa.uint64(), pa.decimal128(9, 2), pa.decimal128(30, 12)]


def draw_type(draw, depth=0):
    kind = draw.random() if depth < 3 else 1
    if kind < 0.2:
        return (pa.list_ if draw.random() < 0.8 else pa.large_list)(draw_type(draw, depth + 1))
    if kind < 0.4:
        return pa.struct([pa.field(f"f{i}", draw_type(draw, depth + 1), nullable=draw.random() < 0.8) for i in range(draw.randint(1, 3))])
    return draw.choice(SIMPLE)


def draw_value(draw, kind, nullable=True):
    if nullable and draw.random() < 0.2:
        return None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [draw_value(draw, kind.value_type) for _ in range(draw.choice([0, 0, 1, 2, 5]))]
    if pa.types.is_struct(kind):
        return {field.name: draw_value(draw, field.type, field.nullable) for field in kind}
    if pa.types.is_boolean(kind):
        return draw.random() < 0.5
    if pa.types.is_string(kind):
        return draw.choice(["", "a", "é汉😀", "x" * draw.randint(0, 300), f"v{draw.randint(0, 5)}"])
    if pa.types.is_floating(kind):
        return draw.choice([0.0, -1.5, draw.randint(-1000, 1000) / 8])
    if pa.types.is_date(kind):
        return datetime.date(2000, 1, 1) + datetime.timedelta(days=draw.randint(-40000, 40000))
    if pa.types.is_decimal(kind):
        return decimal.Decimal(draw.randint(-(10**kind.precision) + 1, 10**kind.precision - 1)).scaleb(-kind.scale)
    if pa.types.is_unsigned_integer(kind):
        return draw.randint(0, 2**16 - 1 if kind == pa.uint16() else 2**53 - 1)
    most = {pa.int8(): 2**7 - 1, pa.int32(): 2**31 - 1}.get(kind, 2**53 - 1)
    return draw.randint(-most, most)


def plain(value):
    return format(value, "f") if isinstance(value, decimal.Decimal) else str(value)


def write(folder, number, draw):
    fields = [pa.field(f"c{i}", draw_type(draw), nullable=draw.random() < 0.8) for i in range(draw.randint(1, 4))]
    rows = [{field.name: draw_value(draw, field.type, field.nullable) for field in fields} for _ in range(draw.choice([0, 1, 3, 50, 700]))]
    table = pa.Table.from_pylist(rows, schema=pa.schema(fields))
    pq.write_table(
        table,
        folder / f"{number}.parquet",
        compression=draw.choice(["none", "snappy", "gzip", "zstd", "brotli", "lz4"]),
        row_group_size=draw.choice([7, 100, 1000]),
        data_page_size=draw.choice([64, 1000, 1 << 20]),
        write_batch_size=draw.choice([1, 13, 1024]),
        use_dictionary=draw.random() < 0.6,
        data_page_version=draw.choice(["1.0", "2.0"]),
        version=draw.choice(["1.0", "2.4", "2.6"]),
        write_page_checksum=draw.random() < 0.5,
        write_page_index=draw.random() < 0.5,
        store_decimal_as_integer=draw.random() < 0.5,
    )
    (folder / f"{number}.json").write_text(json.dumps(table.to_pylist(), default=plain))


def main(folder, count="200", seed="1"):
    for number in range(int(count)):
        write(Path(folder), number, random.Random(f"{seed} {number}"))


main(*sys.argv[1:])
