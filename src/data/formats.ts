/** The kinds of files that hold rows, by the ends of their names. */
import { extname } from 'node:path';
import { expected } from '../errors.ts';
import type { ByteSource } from './byte-source.ts';
import { csvRows } from './csv.ts';
import { jsonDocument, jsonLines } from './jsonl.ts';
import { parquetRows } from './parquet.ts';
import type { Row } from './row.ts';

/** Reads the rows of a file in order; columns that are not wanted may be left out. */
type Reader = (source: ByteSource, columns: readonly string[] | null) => AsyncGenerator<Row>;

async function* document(source: ByteSource): AsyncGenerator<Row> {
  yield* await jsonDocument(source);
}

const readers: Readonly<Record<string, Reader>> = { '.jsonl': jsonLines, '.json': document, '.csv': csvRows, '.parquet': parquetRows };

/** Ends of names that can be read. */
export const extensions: readonly string[] = Object.keys(readers);

/** A file that can be opened. */
export interface DataFile {
  /** Its end says what it is. */
  name: string;
  open(): Promise<ByteSource>;
}

/**
 * The rows of files, one file after the other, a part of one in memory at a time.
 *
 * @param columns the columns that are wanted; null = all. Parquet reads no others; the other kinds give all they have
 */
export async function* rowsOf(files: readonly DataFile[], columns: readonly string[] | null): AsyncGenerator<Row> {
  for (const { name, open } of files) {
    const read = readers[extname(name).toLowerCase()];
    if (!read) throw expected('dataset', `to be a ${extensions.join(', ')} file`, name, 'convert it, or pass the rows themselves');
    const source = await open();
    try {
      yield* read(source, columns);
    } finally {
      await source.close();
    }
  }
}
