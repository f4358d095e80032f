/**
 * What a value of Parquet becomes in a row. The library decodes pages, lists and structs; what the bytes mean is decided
 * here, so that nothing is rounded on the way:
 *
 *     whole numbers            number; beyond 2^53 − 1 an error
 *     float, double, boolean   as they are
 *     text, enum               text, which must be UTF-8
 *     decimal                  text with all its digits: "12.30"
 *     date                     text: "2024-01-31"
 *     time                     text: "23:59:59.5"
 *     timestamp                text: "2024-01-31T23:59:59.5", with a Z behind it where it is in UTC
 *     JSON, UUID               the value it holds, its usual text
 *     list, struct, map        array, object, object with text keys
 *     other bytes              Uint8Array
 *     null                     null
 */
import type { SchemaElement, SchemaTree } from 'hyparquet';

/** A value that has no place in a row: what it is, and what to do. */
export class UnreadableValue extends Error {
  readonly mend: string;

  constructor(got: string, mend: string) {
    super(got);
    this.mend = mend;
  }
}

type Convert = (value: unknown) => unknown;

const LEAVE_OUT = 'choose the other columns with `columns`';

/** Kinds that have no place in a row. */
const refused: readonly string[] = ['INTERVAL', 'BSON', 'GEOMETRY', 'GEOGRAPHY', 'VARIANT', 'UNKNOWN'];

/**
 * Makes rows' values of a column's decoded ones.
 *
 * @throws UnreadableValue for a kind that has no place in a row
 */
export function converterOf(node: SchemaTree): Convert {
  const fault = nameFault(node);
  if (fault !== null) throw new UnreadableValue(fault, LEAVE_OUT);
  return convertNode(node);
}

/** Names by which the library would lose values, or take those of one part for those of another; null where there are none. */
function nameFault({ element, path, children }: SchemaTree, seen = new Set<string>()): string | null {
  const place = path.join('.');
  if (element.name === '__proto__') return 'a part called __proto__';
  if (seen.has(place)) return `two parts called ${place}`;
  seen.add(place);
  return children.reduce((fault: string | null, child) => fault ?? nameFault(child, seen), null);
}

function convertNode(node: SchemaTree): Convert {
  const { element, children } = node;
  const kind = kindOf(element);
  if (refused.includes(kind)) throw new UnreadableValue(`the kind ${kind.toLowerCase()}`, LEAVE_OUT);
  if (children.length === 0) return element.repetition_type === 'REPEATED' ? orNull((value) => Array.from(value as ArrayLike<unknown>, leaf(element, kind))) : leaf(element, kind);
  const inner = children[0]!;
  if (isList(node)) {
    // In the older form, of two levels, the elements are the repeated part itself; as structs the library does not see a list in them.
    if (inner.children.length > 1) throw new UnreadableValue('a list in the older form, of two levels', 'write the file anew, or choose the other columns with `columns`');
    const element = convertNode(inner.children[0] ?? { ...inner, element: { ...inner.element, repetition_type: 'OPTIONAL' } });
    return orNull((value) => Array.from(value as ArrayLike<unknown>, (one) => element(one)));
  }
  if (kind === 'MAP' && children.length === 1 && inner.children.length === 2) {
    const [key, value] = inner.children as [SchemaTree, SchemaTree];
    const [textOf, convert] = [keyText(key), convertNode(value)];
    return orNull((entries) => Object.fromEntries((entries as Record<string, Record<string, unknown>[]>)[inner.element.name]!.map((entry) => [textOf(entry[key.element.name]), convert(entry[value.element.name])])));
  }
  const fields = children.map((child) => [child.element.name, convertNode(child)] as const);
  const struct = orNull((value) => Object.fromEntries(fields.map(([name, convert]) => [name, convert((value as Record<string, unknown>)[name])])));
  return element.repetition_type === 'REPEATED' ? orNull((value) => (value as unknown[]).map(struct)) : struct;
}

/** A list as the library makes arrays of it. */
function isList({ element, children }: SchemaTree): boolean {
  return kindOf(element) === 'LIST' && children.length === 1 && children[0]!.element.repetition_type === 'REPEATED';
}

/**
 * The schema with which the library leaves values as they are stored: lists and structs alone have a meaning to it. A map is
 * to it a struct of a list of entries, so that no key becomes a name before its value is known.
 */
export function plainSchema(tree: SchemaTree, schema: readonly SchemaElement[]): SchemaElement[] {
  const lists = new Set<SchemaElement>();
  const visit = (node: SchemaTree): void => {
    if (isList(node)) lists.add(node.element);
    node.children.forEach(visit);
  };
  visit(tree);
  return schema.map((element) => {
    if (['FLOAT16', 'UUID'].includes(kindOf(element))) return element;
    const { converted_type: _converted, logical_type: _logical, ...plain } = element;
    return lists.has(element) ? { ...plain, converted_type: 'LIST' } : plain;
  });
}

/** Keys of a map as the names they get in a row: as text, numbers of any size among them. */
function keyText({ element, children }: SchemaTree): (value: unknown) => string {
  const kind = kindOf(element);
  if (children.length > 0) throw new UnreadableValue('a map whose keys are no single values', LEAVE_OUT);
  if (refused.includes(kind)) throw new UnreadableValue(`the kind ${kind.toLowerCase()}`, LEAVE_OUT);
  const convert = leaf(element, kind);
  const isWhole = element.type === 'INT64' && (kind === '' || /^U?INT_/.test(kind));
  return (value) => {
    if (isWhole && value !== undefined) return String(kind === 'UINT_64' ? BigInt.asUintN(64, value as bigint) : value);
    const key = convert(value);
    if (key instanceof Uint8Array) throw new UnreadableValue('a map whose keys are bytes', LEAVE_OUT);
    return String(key);
  };
}

/** The meaning of an element by whichever of its two annotations it has. */
function kindOf({ logical_type: logical, converted_type: converted }: SchemaElement): string {
  // An annotation that the library does not know has no type.
  if (logical && !logical.type) return 'UNKNOWN';
  if (logical && logical.type !== 'NULL') return logical.type === 'INTEGER' ? `${logical.isSigned ? 'INT' : 'UINT'}_${logical.bitWidth}` : logical.type;
  return converted === 'UTF8' ? 'STRING' : (converted ?? '');
}

function orNull(convert: Convert): Convert {
  return (value) => (value === null || value === undefined ? null : convert(value));
}

/** What a leaf becomes. A value that is not there at all, unlike null, is damage: a dictionary or page holds fewer than refer to it. */
function leaf(element: SchemaElement, kind: string): Convert {
  const convert = leafOf(element, kind);
  return (value) => {
    if (value === undefined) throw new Error('fewer values than its pages speak of');
    return value === null ? null : convert(value);
  };
}

function leafOf(element: SchemaElement, kind: string): Convert {
  const { type, scale = 0 } = element;
  if (kind === 'DECIMAL') return (value) => decimalText(value instanceof Uint8Array ? signedBigEndian(value) : BigInt(value as number | bigint), scale);
  if (kind === 'DATE') return (value) => new Date((value as number) * 86_400_000).toISOString().replace(/T.*/, '');
  if (kind.startsWith('TIMESTAMP')) return timestamp(element);
  if (kind.startsWith('TIME')) return time(element);
  // The library leaves these nanoseconds since 1970; Spark writes them in UTC without saying so.
  if (type === 'INT96') return (value) => timestampText(value as bigint, 'NANOS', false);
  if (type === 'INT64') return kind === 'UINT_64' ? (value) => safeInteger(BigInt.asUintN(64, value as bigint)) : (value) => safeInteger(value as bigint);
  if (kind === 'UINT_32') return (value) => (value as number) >>> 0;
  if (kind === 'STRING' || kind === 'ENUM') return (value) => utf8(value as Uint8Array);
  if (kind === 'JSON') return (value) => json(utf8(value as Uint8Array));
  // A copy: what the library gives is a window on the page, and would keep all of it.
  return (value) => (value instanceof Uint8Array ? value.slice() : value);
}

function safeInteger(value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new UnreadableValue(`the whole number ${value}, which is beyond 2^53 − 1`, 'write the column as text, or choose the other columns with `columns`');
}

/** Text, which must be UTF-8. */
export function utf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new UnreadableValue('text that is not UTF-8', 'write the file anew with text in UTF-8');
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UnreadableValue(`text that is not JSON (${text.slice(0, 40)})`, 'write the column as text');
  }
}

/** Two's complement, most significant byte first. */
function signedBigEndian(bytes: Uint8Array): bigint {
  const value = bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  return BigInt.asIntN(bytes.length * 8, value);
}

function decimalText(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const cut = digits.length - scale;
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, cut)}${scale > 0 ? `.${digits.slice(cut)}` : ''}`;
}

type Unit = 'MILLIS' | 'MICROS' | 'NANOS';
const perSecond: Readonly<Record<Unit, bigint>> = { MILLIS: 1_000n, MICROS: 1_000_000n, NANOS: 1_000_000_000n };

/** The unit of a time or timestamp, and whether it is in UTC. The older annotation is always in UTC. */
function unitOf({ logical_type: logical, converted_type: converted }: SchemaElement): { unit: Unit; utc: boolean } {
  if (logical?.type === 'TIMESTAMP' || logical?.type === 'TIME') return { unit: logical.unit, utc: logical.isAdjustedToUTC };
  return { unit: converted?.endsWith('MILLIS') ? 'MILLIS' : 'MICROS', utc: true };
}

function timestamp(element: SchemaElement): Convert {
  const { unit, utc } = unitOf(element);
  return (value) => timestampText(BigInt(value as number | bigint), unit, utc);
}

function timestampText(value: bigint, unit: Unit, utc: boolean): string {
  const fraction = BigInt.asUintN(64, ((value % perSecond[unit]) + perSecond[unit]) % perSecond[unit]);
  const date = new Date(Number((value - fraction) / perSecond[unit]) * 1000);
  if (Number.isNaN(date.getTime())) throw new UnreadableValue(`the time ${value} (${unit.toLowerCase()} since 1970)`, LEAVE_OUT);
  return `${date.toISOString().slice(0, -5)}${fractionText(fraction, unit)}${utc ? 'Z' : ''}`;
}

function time(element: SchemaElement): Convert {
  const { unit } = unitOf(element);
  return (value) => {
    const ticks = BigInt(value as number | bigint);
    const seconds = new Date(Number(ticks / perSecond[unit]) * 1000).toISOString().slice(11, 19);
    return `${seconds}${fractionText(ticks % perSecond[unit], unit)}`;
  };
}

/** `.5` for half a second; nothing for none. */
function fractionText(fraction: bigint, unit: Unit): string {
  const digits = String(perSecond[unit]).length - 1;
  return fraction === 0n ? '' : `.${String(fraction).padStart(digits, '0').replace(/0+$/, '')}`;
}
