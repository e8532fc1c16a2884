/**
 * Something large that is given to one who keeps it for as long as it is used. Nobody else has it from then on: a
 * reference in a closure, or in what a thread began with, would keep it when another has taken its place.
 */
export class TakenOnce<A> {
  private value: A | undefined

  constructor(value: A | undefined) {
    this.value = value
  }

  /** To be called once. */
  take(): A {
    const { value } = this
    if (value === undefined) throw new Error("it was taken before")
    this.value = undefined
    return value
  }
}
