/** The account that a process runs as: a user, and a group where it is not the user's own. */
import { Result } from "effect"
import type { TextForm } from "./text-form.ts"

export interface Account {
  readonly user: string
  readonly group: string | undefined
}

/** A name as Debian and Red Hat allow one, or a number. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$|^\d{1,10}$/

export const account: TextForm<Account> = {
  read: (text) => {
    const [user = "", group, ...more] = text.split(":")
    return more.length === 0 && NAME.test(user) && (group === undefined || NAME.test(group))
      ? Result.succeed({ user, group })
      : Result.fail("a user, or user:group, as names or numbers")
  },
  write: ({ user, group }) => (group === undefined ? user : `${user}:${group}`)
}
