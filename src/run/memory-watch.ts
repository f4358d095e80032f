/**
 * When to hand freed memory back to the system. Blocks that a step frees stay in the heap for the next one: fresh pages
 * from the system cost more than all elementwise ops (docs/experiments.md). Yet holes between blocks of other lengths let
 * the heap creep, and memory that creeps cannot be told from a leak.
 */

/** Growth of resident memory over its level that calls for a hand-back. */
const creep = 1.01;
/** Updates until every buffer has been made once. */
const settling = 2;

/** Watches resident memory from update to update. */
export class MemoryWatch {
  #updates = 0;
  #level = 0;

  /**
   * Whether freed memory should be handed back now.
   *
   * @param residentBytes of this process, after an update
   */
  creeps(residentBytes: number): boolean {
    this.#updates += 1;
    const settled = this.#updates > settling;
    if (settled ? residentBytes <= creep * this.#level : residentBytes < this.#level) return false;
    // A batch longer than all before may need what it took: the level it reached is not called creep again.
    this.#level = residentBytes;
    return settled;
  }
}
