/** One row of a dataset: column name to value, as it stands in the file. */
export type Row = Record<string, unknown>;
