/**
 * Counts what this thread has stopped using of large memory that threads share.
 *
 * V8 collects by the growth of what a thread has for itself. Shared memory does not count as that in any thread, so that
 * a table of answers of a gigabyte, replaced by another, would stay until something else fills the heap. Whoever replaces
 * such memory says so here; `process/idle-gc.ts` collects.
 */

let released = 0

/** This thread has no use for a piece of shared memory any more. */
export const sharedMemoryReleased = (): void => {
  released++
}

/** How often that was said. */
export const releasedSoFar = (): number => released
