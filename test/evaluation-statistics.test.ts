/** The statistics of evaluations against scipy and statsmodels; test/fixtures/evaluation/make.py made the figures. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { mcnemarExact } from '../src/eval/mcnemar.ts';
import { passAtK } from '../src/eval/pass-at-k.ts';
import { bootstrapInterval, permutationTest } from '../src/eval/resampling.ts';
import { wilsonInterval } from '../src/eval/wilson.ts';

interface Fixture {
  wilson: { successes: number; trials: number; low: number; high: number }[];
  mcnemar: { onlyFirst: number; onlySecond: number; p: number }[];
  passAtK: { n: number; c: number; k: number; pass: number }[];
  permutation: { values: number[]; p: number }[];
  permutationTies: { values: number[]; p: number }[];
  permutationDrawn: { values: number[]; p: number };
  bootstrap: { values: number[]; low: number; high: number; error: number }[];
}

const fixture = JSON.parse(readFileSync(new URL('fixtures/evaluation/statistics.json', import.meta.url), 'utf8')) as Fixture;

const near = (got: number, wanted: number, tolerance: number, what: string) => assert.ok(Math.abs(got - wanted) <= tolerance, `${what}: ${got} is not ${wanted}`);

test('Wilson intervals as statsmodels has them', () => {
  for (const { successes, trials, low, high } of fixture.wilson) {
    const interval = wilsonInterval(successes, trials);
    near(interval.low, low, 1e-12, `${successes} of ${trials}, low`);
    near(interval.high, high, 1e-12, `${successes} of ${trials}, high`);
  }
});

test('the exact McNemar test as statsmodels has it', () => {
  // 1e-9: products and sums of up to 832,000 factors.
  for (const { p, ...discordant } of fixture.mcnemar) near(mcnemarExact(discordant), p, 1e-9 * Math.max(p, 1e-3), JSON.stringify(discordant));
});

test('pass@k as all subsets say', () => {
  for (const { n, c, k, pass } of fixture.passAtK) near(passAtK(n, c, k), pass, 1e-12, `n ${n}, c ${c}, k ${k}`);
});

test('sums that are equal but for rounding count as equal in the permutation test', () => {
  for (const { values, p } of fixture.permutationTies) near(permutationTest(values), p, 1e-12, JSON.stringify(values));
});

test('the permutation test as scipy has it: exact for few differences, close for those drawn', () => {
  for (const { values, p } of fixture.permutation) near(permutationTest(values), p, 1e-12, JSON.stringify(values));
  const { values, p } = fixture.permutationDrawn;
  // Four standard errors of 10,000 drawn patterns and as many of scipy's 200,000.
  const error = 4 * Math.sqrt(p * (1 - p) * (1 / 10_000 + 1 / 200_000));
  near(permutationTest(values), p, error, 'drawn');
});

test('the bootstrap as scipy has it', () => {
  for (const { values, low, high, error } of fixture.bootstrap) {
    const interval = bootstrapInterval(values);
    // The ends are quantiles of 2,000 means: their standard error is about 0.06 of that of the mean; four of them.
    near(interval.low, low, 0.25 * error, 'low');
    near(interval.high, high, 0.25 * error, 'high');
  }
});
