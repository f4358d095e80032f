import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { DisposedTensorError, TensorError } from '../errors.ts';
import { addScalar, add_, contiguous } from './ops.ts';
import { keep, liveTensors, scope } from './scope.ts';
import { tensor } from './tensor.ts';
import type { Tensor } from './tensor.ts';

const isFreed = (x: Tensor): boolean => x.handle === 0;

/** Runs `fn` and checks that it leaves as many tensors alive as before, and `more`. */
function leaves(more: number, fn: () => void): void {
  const before = liveTensors();
  fn();
  assert.equal(liveTensors() - before, more);
}

test('what a scope does not return is freed, what it returns is the caller’s', () => {
  leaves(1, () => {
    let inner: Tensor | undefined;
    const result = scope(() => {
      inner = tensor([1, 2]);
      return addScalar(inner, 1);
    });
    assert.ok(isFreed(inner!));
    assert.deepEqual(result.toArray(), Float32Array.of(2, 3));
    assert.equal(result.owner, null);
  });
});

test('tensors in arrays, maps and plain objects are returned, also in values that contain themselves', () => {
  leaves(5, () => {
    const bare = Object.assign(Object.create(null) as object, { e: undefined as Tensor | undefined });
    const result = scope(() => {
      bare.e = tensor(5);
      const parts = { a: [tensor(1), [tensor(2)]], b: new Map([['c', { d: tensor(3) }]]), bare, twice: tensor(4), again: null as unknown, itself: null as unknown };
      parts.again = parts.twice;
      parts.itself = parts;
      return parts;
    });
    assert.equal(((result.a as Tensor[])[0]!).item(), 1);
    assert.equal((result.a as Tensor[][])[1]![0]!.item(), 2);
    assert.equal(result.b.get('c')!.d.item(), 3);
    assert.equal((result.again as Tensor).item(), 4);
    assert.equal(bare.e!.item(), 5);
  });
});

test('a plain object that merely looks like a tensor is left alone', () => {
  const record = { handle: 'door', owner: 'Ada' };
  assert.deepEqual(keep(scope(() => record)), { handle: 'door', owner: 'Ada' });
});

test('nested scopes: a result goes one scope up and is freed there', () => {
  leaves(0, () => {
    let fromInner: Tensor | undefined;
    let beside: Tensor | undefined;
    scope(() => {
      fromInner = scope(() => {
        beside = tensor(1);
        return tensor(2);
      });
      assert.ok(isFreed(beside!));
      assert.equal(fromInner.item(), 2);
      beside = tensor(3);
    });
    assert.ok(isFreed(fromInner!));
    assert.ok(isFreed(beside!));
  });
});

test('a tensor of an outer scope, or of the caller, that an inner scope returns stays where it was', () => {
  leaves(1, () => {
    const mine = tensor(1);
    scope(() => {
      const outer = tensor(2);
      const results = scope(() => [mine, outer]);
      assert.deepEqual(results.map((x) => x.item()), [1, 2]);
      const { owner } = outer;
      scope(() => outer);
      assert.equal(outer.owner, owner);
      assert.notEqual(owner, null);
    });
    assert.equal(mine.item(), 1);
    assert.equal(mine.owner, null);
  });
});

test('keep takes tensors out of all scopes; they are disposed by hand, once', () => {
  leaves(0, () => {
    const kept: { x: Tensor }[] = [];
    scope(() =>
      scope(() => {
        kept.push(keep({ x: tensor(1) }));
        keep(kept);
      }),
    );
    const { x } = kept[0]!;
    assert.equal(x.item(), 1);
    x.dispose();
    x.dispose();
    assert.ok(isFreed(keep(x)));
  });
});

test('a tensor disposed inside its scope is not freed again at the end', () => {
  leaves(1, () => {
    let next: Tensor | undefined;
    scope(() => {
      const x = tensor(1);
      x.dispose();
      next = keep(tensor(2)); // takes the native place of x
      return x;
    });
    assert.equal(next!.item(), 2);
  });
});

test('a thrown error frees everything but what was kept, and the surrounding scope goes on', () => {
  leaves(1, () => {
    scope(() => {
      const outer = tensor(1);
      assert.throws(
        () =>
          scope(() => {
            tensor(2);
            keep(tensor(3));
            scope(() => {
              tensor(4);
              throw new RangeError('mine');
            });
          }),
        { name: 'RangeError', message: 'mine' },
      );
      const later = tensor(5);
      assert.equal(later.owner, outer.owner);
    });
  });
});

test('promises and thenables are refused, their tensors freed, their failures swallowed', async () => {
  const refused = { name: 'TensorError', message: /^Expected `fn` of scope\(\) to be synchronous, got one that returns a promise;/ };
  let inside: Tensor | undefined;
  assert.throws(
    () =>
      scope(async () => {
        inside = tensor(1);
        throw new Error('unheard');
      }),
    refused,
  );
  assert.ok(isFreed(inside!));
  // oxlint-disable-next-line unicorn/no-thenable -- the point of the test
  assert.throws(() => scope(() => ({ then: (done: () => void) => done() })), refused);
  await new Promise(setImmediate);
  assert.equal(tensor(1).owner, null);
});

test('use after free is a DisposedTensorError that says what to do', () => {
  const x = tensor([1, 2], [2, 1]);
  x.dispose();
  const uses: (() => unknown)[] = [
    () => x.shape,
    () => x.dtype,
    () => x.length,
    () => x.device,
    () => x.toArray(),
    () => x.toBytes(),
    () => x.item(),
    () => x.grad,
    () => x.requiresGrad,
    () => x.requiresGrad_(),
    () => x.backward(),
    () => {
      x.grad = null;
    },
    () => addScalar(x, 1),
  ];
  for (const use of uses) {
    assert.throws(use, (error) => {
      assert.ok(error instanceof DisposedTensorError && error instanceof TensorError, String(use));
      return /Expected a live tensor, got one that was disposed or whose scope has ended; return it from the scope or keep\(\) it\./.test(error.message);
    });
  }
  assert.throws(() => addScalar(x, 1), (error) => error instanceof TensorError && error.data.op === 'aten::add.Scalar');
});

test('two tensors over the same memory are freed on their own', () => {
  leaves(0, () => {
    const x = tensor([1, 2]);
    const same = contiguous(x);
    const after = add_(x, x);
    assert.notEqual(same.handle, x.handle);
    x.dispose();
    assert.deepEqual(same.toArray(), Float32Array.of(2, 4));
    same.dispose();
    assert.deepEqual(after.toArray(), Float32Array.of(2, 4));
    after.dispose();
  });
});

test('a freed place is given to another tensor, and the old handle stays dead', () => {
  const x = tensor(1);
  const { handle } = x;
  x.dispose();
  const y = tensor(2);
  x.handle = handle;
  assert.throws(() => x.toArray(), /stale tensor handle/);
  assert.equal(y.item(), 2);
  x.handle = 0;
});

test('10,000 loops leave nothing alive', () => {
  leaves(1, () => {
    let state = tensor([0, 0]);
    for (let i = 0; i < 10_000; i++) {
      const next = scope(() => addScalar(scope(() => addScalar(addScalar(state, 2), -1)), 0));
      state.dispose();
      state = next;
    }
    assert.deepEqual(state.toArray(), Float32Array.of(10_000, 10_000));
  });
});

test('more tensors than the release buffer holds are freed at once', () => {
  leaves(0, () => {
    scope(() => {
      for (let i = 0; i < 1000; i++) tensor(i);
    });
  });
});

test('the finalizer frees what the caller forgot, and nothing twice', () => {
  const program = `
    const { setTimeout: sleep } = await import('node:timers/promises');
    const { tensor } = await import('./src/tensor/tensor.ts');
    const { keep, liveTensors, scope } = await import('./src/tensor/scope.ts');
    const held = tensor([1]);
    (() => {
      for (let i = 0; i < 100; i++) tensor([i]);
      for (let i = 0; i < 100; i++) scope(() => keep(tensor([i])));
      for (let i = 0; i < 100; i++) scope(() => tensor([i]));
      for (let i = 0; i < 100; i++) tensor([i]).dispose();
    })();
    const before = liveTensors();
    for (let i = 0; i < 20 && liveTensors() > 1; i++) {
      globalThis.gc();
      await sleep(10);
    }
    console.log(JSON.stringify([before, liveTensors(), held.item()]));`;
  const child = spawnSync(process.execPath, ['--expose-gc', '--import', 'tsx', '--input-type=module', '-e', program], {
    cwd: new URL('../..', import.meta.url),
    encoding: 'utf8',
  });
  assert.equal(child.stderr, '');
  assert.equal(child.status, 0);
  assert.deepEqual(JSON.parse(child.stdout), [301, 1, 1]);
});
