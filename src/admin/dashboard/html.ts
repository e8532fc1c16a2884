/** Templates as elements: what JSX is elsewhere, without a compiler. */
import htm from "htm"
import { type ComponentChildren, h, type VNode } from "preact"

export type { ComponentChildren, VNode }

export const html = htm.bind(h) as (strings: TemplateStringsArray, ...values: ReadonlyArray<unknown>) => VNode
