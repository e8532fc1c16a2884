/** A value that parts of the page look at, and are drawn anew when it changes. */
import { useEffect, useState } from "preact/hooks"

export interface Store<A> {
  readonly get: () => A
  readonly set: (value: A) => void
  readonly subscribe: (listener: (value: A) => void) => () => void
}

export const makeStore = <A>(initial: A): Store<A> => {
  let current = initial
  const listeners = new Set<(value: A) => void>()
  return {
    get: () => current,
    set: (value) => {
      if (Object.is(value, current)) return
      current = value
      for (const listener of [...listeners]) listener(value)
    },
    subscribe: (listener) => {
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    }
  }
}

export const useStore = <A>(store: Store<A>): A => {
  const [value, setValue] = useState<A>(store.get)
  useEffect(() => {
    const listener = (next: A): void => setValue(() => next)
    listener(store.get())
    return store.subscribe(listener)
  }, [store])
  return value
}
