/** A dialog over the page, by the browser's own element: it keeps the focus, gives it back, and Escape closes it. */
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
  const close = (): void => element.current?.close()
  return html`<dialog
    ref=${element}
    class=${className}
    aria-labelledby=${id}
    onClose=${() => {
      if (element.current !== null) onClose()
    }}
    onClick=${(event: MouseEvent) => {
      if (event.target === element.current) close()
    }}
  >
    <div class="dialog">
      <header>
        <h2 id=${id}>${title}</h2>
        <button type="button" class="plain" onClick=${close}>Close</button>
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
        form.closest("dialog")?.close()
      }}
    >
      ${children}
      <p class="actions">
        <button type="submit" class="danger" disabled=${isUnderWay}>${action}</button>
        <button type="button" onClick=${(event: MouseEvent) => (event.currentTarget as HTMLElement).closest("dialog")?.close()}>Cancel</button>
      </p>
    </form>
  <//>`
}
