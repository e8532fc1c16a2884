/** When the service manager is told what: from the moment when all answer until the end. */
import { Effect, type Scope } from "effect"
import type { ServiceManager } from "./service-manager.ts"
import { keepAlive } from "./watchdog.ts"

/**
 * Says that the server answers, then that it lives, and when the scope closes, that it ends.
 *
 * @param status what the server does, as `systemctl status` shows it
 * @param isAnswering whether a worker is there
 */
export const tellWhileOpen = (
  manager: ServiceManager,
  status: () => string,
  isAnswering: () => boolean
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* Effect.addFinalizer(() => manager.stopping)
    yield* manager.ready(status())
    yield* Effect.forkScoped(keepAlive(manager, isAnswering))
  })

/** Says that the configuration is read again, and what came of it: `systemctl reload` waits for it. */
export const toldReload = <A, E extends { readonly message: string }>(
  { reloading, ready }: Pick<ServiceManager, "reloading" | "ready">,
  status: () => string,
  reload: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.andThen(reloading, reload).pipe(
    Effect.tap(() => ready(status())),
    // Refused or not, it answers: by what it had before.
    Effect.tapError(({ message }) => ready(`${status()}; the last change was refused: ${message}`))
  )
