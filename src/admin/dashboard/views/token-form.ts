/** Asks for the token. It stays in this tab of the browser, and goes nowhere but to this server. */
import { access, connection, tryToken } from "../api.ts"
import { html } from "../html.ts"
import { Mistake } from "../parts/pieces.ts"
import { useStore } from "../store.ts"

export const TokenForm = () => {
  const state = useStore(access)
  const isBusy = useStore(connection) === "busy"
  return html`<section class="panel token" aria-labelledby="token">
    <header><h2 id="token">This server wants a token</h2></header>
    <form
      onSubmit=${(event: SubmitEvent) => {
        event.preventDefault()
        const given = new FormData(event.currentTarget as HTMLFormElement).get("token")
        if (typeof given === "string" && given !== "") void tryToken(given)
      }}
    >
      <label>Token<input name="token" type="password" required autocomplete="current-password" autofocus /></label>
      <button type="submit" class="primary">Go on</button>
    </form>
    <p class="muted">It is what <code>admin_token</code> says, or <code>admin_read_token</code> to look and change nothing. It is forgotten with this tab.</p>
    <${Mistake} text=${isBusy ? "Too many wrong tokens, or too much is asked just now: try again in half a minute." : state === "token wrong" ? "That token is not the right one." : undefined} />
  </section>`
}
