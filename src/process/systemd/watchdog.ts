/**
 * Tells the service manager that the server is alive, twice as often as it wants to hear it (sd_watchdog_enabled(3)).
 *
 * That this runs shows that the supervisor's event loop does. A worker that hangs is replaced by the supervisor; only
 * where none is left that answers is the manager to start the whole server again.
 */
import { Effect } from "effect"
import type { ServiceManager } from "./service-manager.ts"

/** Runs until it is interrupted; done at once where the manager does not ask for it. */
export const keepAlive = (
  { watchdogMs, alive }: Pick<ServiceManager, "watchdogMs" | "alive">,
  isAnswering: () => boolean
): Effect.Effect<void> =>
  watchdogMs === undefined
    ? Effect.void
    : Effect.forever(
        Effect.andThen(
          Effect.suspend(() => (isAnswering() ? alive : Effect.void)),
          Effect.sleep(watchdogMs / 2)
        )
      )
