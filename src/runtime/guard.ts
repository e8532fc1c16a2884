/**
 * Borders: callbacks that the network, a timer or a signal calls, outside of any fiber.
 *
 * An exception that leaves one would end the thread. Instead it ends only the work of that callback, is counted and
 * logged, and the caller goes on. On the way of every packet a plain `try` does the same without a closure.
 */
import type { Incidents } from "./incidents.ts"

/**
 * The callback, for an emitter of events: what it throws is reported and goes no further.
 *
 * @param border who calls, as the log says it: `a client's connection`
 * @param onThrow ends what cannot go on after a throw, a connection for one
 */
export const guarded =
  <Arguments extends ReadonlyArray<unknown>>(
    incidents: Incidents,
    border: string,
    callback: (...args: Arguments) => unknown,
    onThrow?: (thrown: unknown) => void
  ): ((...args: Arguments) => void) =>
  (...args) => {
    try {
      callback(...args)
    } catch (thrown) {
      incidents.onDefect(border, thrown)
      if (onThrow !== undefined) runGuarded(incidents, border, () => onThrow(thrown))
    }
  }

/** Calls it at once, by the same rule. */
export const runGuarded = (incidents: Incidents, border: string, callback: () => unknown): void => {
  try {
    callback()
  } catch (thrown) {
    incidents.onDefect(border, thrown)
  }
}
