/**
 * Notes which descriptors, unknown to Node, a thread has open, in shared memory: when the thread is ended in the middle
 * of something, the supervisor closes them.
 */

/** Descriptors above this are not noted. */
const MAX_DESCRIPTORS = 1 << 16

export const descriptorMemory = (): SharedArrayBuffer => new SharedArrayBuffer(MAX_DESCRIPTORS)

/** Notes for a thread; without memory nothing is noted. */
export class Descriptors {
  private readonly isOpen: Uint8Array | undefined

  constructor(memory: SharedArrayBuffer | undefined) {
    this.isOpen = memory === undefined ? undefined : new Uint8Array(memory)
  }

  opened(fd: number): void {
    if (this.isOpen !== undefined && fd >= 0 && fd < MAX_DESCRIPTORS) this.isOpen[fd] = 1
  }

  /** To be called before it is closed: one too many is left open rather than closed twice. */
  closing(fd: number): void {
    if (this.isOpen !== undefined && fd < MAX_DESCRIPTORS) this.isOpen[fd] = 0
  }

  /** Takes all that are open, for somebody else to close. */
  takeAll(): Array<number> {
    const left: Array<number> = []
    this.isOpen?.forEach((isOpen, fd) => {
      if (isOpen === 1) left.push(fd)
    })
    this.isOpen?.fill(0)
    return left
  }
}
