/** Curves as SVG, for the README and reports: readable on light and dark ground, by screen readers and without colour. */
import { expected } from '../errors.ts';
import { label, niceTicks } from './curve.ts';

/** One line of a chart. */
export interface CurveSeries {
  name: string;
  /** Points that are not finite are gaps. */
  points: readonly { x: number; y: number }[];
}

/** Options of `curveSvg`. */
export interface CurveSvgOptions {
  title: string;
  /** What there is to see, for who cannot see it. */
  description: string;
  xLabel: string;
  yLabel: string;
  /** Pixels. */
  width?: number;
  height?: number;
}

/** Ground of the plot area inside the picture, pixels. */
const MARGIN = { left: 64, right: 16, top: 40, bottom: 48 } as const;
/** Height of the line of names under the title, which a single curve does not need. */
const LEGEND = 20;

/**
 * One look per series, told apart by dash as well as by colour. These colours and the default grey of the text have a
 * contrast of 3 or more against both white and GitHub's dark ground (#0d1117), so that they hold where the reader's
 * colour scheme is not known.
 */
const LOOKS = [
  { colour: '#2f81f7', dash: '' },
  { colour: '#c2620f', dash: '7 4' },
  { colour: '#2a9d5c', dash: '2 3' },
  { colour: '#b558d8', dash: '9 3 2 3' },
] as const;

/**
 * A line chart as one self-contained SVG document.
 *
 * @throws InputError when there is no finite point, or more series than can be told apart
 */
export function curveSvg(series: readonly CurveSeries[], options: CurveSvgOptions): string {
  const { title, description, xLabel, yLabel, width = 720, height = 320 } = options;
  if (series.length > LOOKS.length) {
    throw expected('series', `to hold at most ${LOOKS.length} lines`, series.length, 'draw two charts');
  }
  const points = series.flatMap((one) => one.points.filter(isFinitePoint));
  if (points.length === 0) throw expected('series', 'to hold at least one finite point', series, 'draw a curve after the first step');
  const x = axis(points.map((point) => point.x), MARGIN.left, width - MARGIN.right, 8);
  const top = MARGIN.top + (series.length > 1 ? LEGEND : 0);
  const y = axis(points.map((point) => point.y), height - MARGIN.bottom, top, 5);
  // Between whole steps there is nothing to mark.
  const xTicks = points.every((point) => Number.isInteger(point.x)) ? x.ticks.filter(Number.isInteger) : x.ticks;
  const [left, right, bottom] = [MARGIN.left, width - MARGIN.right, height - MARGIN.bottom];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="12">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<desc id="desc">${escapeXml(description)}</desc>`,
    '<style>text { fill: #6e7781 } .title { font-size: 15px; font-weight: 600 } .grid { stroke: #8b949e; stroke-opacity: .3 } .axis { stroke: #8b949e } .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round } @media (prefers-color-scheme: light) { text { fill: #57606a } .title { fill: #1f2328 } } @media (prefers-color-scheme: dark) { text { fill: #9198a1 } .title { fill: #f0f6fc } }</style>',
    `<text class="title" x="${left}" y="22">${escapeXml(title)}</text>`,
    ...y.ticks.flatMap((tick) => [
      `<line class="grid" x1="${left}" y1="${round(y.at(tick))}" x2="${right}" y2="${round(y.at(tick))}"/>`,
      `<text x="${left - 8}" y="${round(y.at(tick) + 4)}" text-anchor="end">${minus(label(tick))}</text>`,
    ]),
    ...xTicks.flatMap((tick) => [
      `<line class="axis" x1="${round(x.at(tick))}" y1="${bottom}" x2="${round(x.at(tick))}" y2="${bottom + 5}"/>`,
      `<text x="${round(x.at(tick))}" y="${bottom + 19}" text-anchor="middle">${minus(label(tick))}</text>`,
    ]),
    `<path class="axis" fill="none" d="M${left} ${top}V${bottom}H${right}"/>`,
    `<text x="${(left + right) / 2}" y="${height - 10}" text-anchor="middle">${escapeXml(xLabel)}</text>`,
    `<text transform="translate(16 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeXml(yLabel)}</text>`,
    ...series.map((one, i) => line(one, i, x.at, y.at)),
    ...(series.length > 1 ? legend(series, left, right) : []),
    '</svg>',
    '',
  ].join('\n');
}

/** Maps values to pixels over a range that holds them all, and names the ticks inside it. */
function axis(values: readonly number[], from: number, to: number, count: number): { at: (value: number) => number; ticks: number[] } {
  const least = values.reduce((a, b) => Math.min(a, b));
  const most = values.reduce((a, b) => Math.max(a, b));
  // A single value gets some room around it.
  const room = most > least ? 0 : Math.abs(most) / 2 || 1;
  const [low, high] = [least - room, most + room];
  return {
    at: (value) => from + ((value - low) / (high - low)) * (to - from),
    ticks: niceTicks(low, high, count),
  };
}

function line({ name, points }: CurveSeries, i: number, x: (value: number) => number, y: (value: number) => number): string {
  let pen = 'M';
  const path = points.map((point) => {
    if (!isFinitePoint(point)) {
      pen = 'M';
      return '';
    }
    const piece = `${pen}${round(x(point.x))} ${round(y(point.y))}`;
    pen = 'L';
    return piece;
  });
  return `<path class="line" ${stroke(i)} d="${path.join('')}"><title>${escapeXml(name)}</title></path>`;
}

function legend(series: readonly CurveSeries[], left: number, right: number): string[] {
  const y = MARGIN.top + 2;
  return series.flatMap(({ name }, i) => {
    const x = round(left + ((right - left) * i) / series.length);
    return [
      `<path class="line" ${stroke(i)} d="M${x} ${y}h28"/>`,
      `<text x="${x + 36}" y="${y + 4}">${escapeXml(name)}</text>`,
    ];
  });
}

function stroke(i: number): string {
  const { colour, dash } = LOOKS[i]!;
  return `stroke="${colour}"${dash ? ` stroke-dasharray="${dash}"` : ''}`;
}

function isFinitePoint({ x, y }: { x: number; y: number }): boolean {
  return Number.isFinite(x) && Number.isFinite(y);
}

function round(pixels: number): number {
  return Math.round(pixels * 100) / 100;
}

/** A true minus sign, as typeset numbers have. */
function minus(text: string): string {
  return text.replace(/^-/, '−');
}

function escapeXml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replaceAll(/[&<>"]/g, (character) => entities[character]!);
}
