/** Keeps what sockets and timers report. */
import { Layer } from "effect"
import { Incidents } from "../../../src/runtime/incidents.ts"

export class Reported implements Incidents {
  /** Who called what threw, and what was thrown, in words. */
  readonly defects: Array<string> = []
  readonly exhausted: Array<string> = []

  readonly layer: Layer.Layer<never> = Layer.succeed(Incidents, this)

  readonly onDefect = (border: string, thrown: unknown): void => {
    this.defects.push(`${border}: ${thrown instanceof Error ? thrown.message : thrown}`)
  }

  readonly onFlood = (): void => {}

  readonly onExhausted = (what: string): void => {
    this.exhausted.push(what)
  }
}
