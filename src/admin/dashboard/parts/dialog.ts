/**
 * A dialog over the page, by the browser's own element: it keeps the focus, gives it back, and Escape closes it.
 *
 * It is closed by being drawn no more. The element's own `close` event comes some milliseconds after it has closed: who opened
 * the same thing again by then would see it closed.
 */
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks"
import { type ComponentChildren, html } from "../html.ts"

export const Dialog = ({
  children,
  className = "",
  onClose,
  title
}: {
  readonly title: ComponentChildren
  readonly className?: string
  readonly onClose: () => void
  readonly children?: ComponentChildren
}) => {
  const element = useRef<HTMLDialogElement>(null)
  const id = useId()
  useLayoutEffect(() => {
    const dialog = element.current!
    dialog.showModal()
    return () => dialog.close()
  }, [])
  return html`<dialog
    ref=${element}
    class=${className}
    aria-labelledby=${id}
    onCancel=${(event: Event) => {
      event.preventDefault()
      onClose()
    }}
    onClose=${() => {
      // A browser may close it without a question, as by a second Escape.
      if (element.current !== null) onClose()
    }}
    onClick=${(event: MouseEvent) => {
      if (event.target === element.current) onClose()
    }}
  >
    <div class="dialog">
      <header>
        <h2 id=${id}>${title}</h2>
        <button type="button" class="plain" onClick=${() => onClose()}>Close</button>
      </header>
      ${children}
    </div>
  </dialog>`
}

/** Asks before something is done that cannot be taken back. */
export const Confirm = ({
  action,
  children,
  onClose,
  onConfirm,
  title
}: {
  readonly title: string
  /** What the button says. */
  readonly action: string
  readonly onConfirm: (form: HTMLFormElement) => Promise<void>
  readonly onClose: () => void
  readonly children?: ComponentChildren
}) => {
  const [isUnderWay, setUnderWay] = useState(false)
  return html`<${Dialog} title=${title} className="confirm" onClose=${onClose}>
    <form
      onSubmit=${async (event: SubmitEvent) => {
        event.preventDefault()
        const form = event.currentTarget as HTMLFormElement
        setUnderWay(true)
        await onConfirm(form)
        setUnderWay(false)
        // Nor is another closed that was opened meanwhile.
        if (form.isConnected) onClose()
      }}
    >
      ${children}
      <p class="actions">
        <button type="submit" class="danger" disabled=${isUnderWay}>${action}</button>
        <button type="button" onClick=${() => onClose()}>Cancel</button>
      </p>
    </form>
  <//>`
}
