/**
 * Becoming a user without rights, once all addresses are bound: what takes the server over then has little in its hands.
 *
 * All threads become it, for the C library tells each of them (nptl(7)).
 */
import { readFileSync } from "node:fs"
import { Effect, FiberSet, Schema } from "effect"
import type { Account } from "../../config/codec/account.ts"
import type { Configuration } from "../../config/configuration.ts"
import { messageOf } from "../../runtime/error-text.ts"

/** The server does not start with rights that it was told to give up. */
export class RunAsFailed extends Schema.TaggedError<RunAsFailed>()("RunAsFailed", { message: Schema.String }) {}

/** What the system says of users (passwd(5)): name, password, uid, gid. */
const PASSWD = "/etc/passwd"

interface Ids {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** The user's own line; undefined where there is none. */
export const idsOf = (user: string, passwd: string): Ids | undefined => {
  for (const line of passwd.split("\n")) {
    const [name = "", , uid, gid] = line.split(":")
    if (uid === undefined || gid === undefined || name === "") continue
    if (name === user || uid === user) return { name, uid: Number(uid), gid: Number(gid) }
  }
  return undefined
}

/**
 * Becomes the account, where the process is root's. Where it is not, nothing is given up, and that is said.
 *
 * @returns what is to be logged
 */
export const becomeAccount = (account: Account): Effect.Effect<string, RunAsFailed> =>
  Effect.try({
    try: () => {
      const { getuid, setgid, setgroups, setuid } = process
      const { user, group } = account
      if (getuid === undefined || setgroups === undefined || setgid === undefined || setuid === undefined)
        throw new Error("there are no users here")
      if (getuid() !== 0) return `run_as ${user}: not started as root, so the user stays who it is`
      const ids = idsOf(user, readFileSync(PASSWD, "utf8"))
      // A number needs no line.
      const uid = ids?.uid ?? Number(user)
      if (Number.isNaN(uid)) throw new Error(`there is no user ${user}`)
      const gid = group ?? ids?.gid
      if (gid === undefined) throw new Error(`the group of ${user} is not known: write ${user}:group`)
      const groupId = typeof gid === "string" && /^\d+$/.test(gid) ? Number(gid) : gid
      // Of the groups that root is in none is left.
      setgroups([groupId])
      setgid(groupId)
      setuid(uid)
      if (getuid() !== uid || uid === 0) throw new Error(`it is ${getuid()} still`)
      return `runs as ${user}${group === undefined ? "" : `:${group}`} from now on`
    },
    catch: (cause) => new RunAsFailed({ message: `run_as ${account.user}: ${messageOf(cause)}` })
  })

/** Once its addresses are bound. Who has given up its rights gets none back: another user takes another start. */
export const giveUpRights = Effect.fnUntraced(function* (configuration: Configuration["Service"]) {
  const run = yield* FiberSet.makeRuntime<never>()
  const become = (account: Account) => Effect.flatMap(becomeAccount(account), (done) => Effect.logInfo(done))
  const { runAs } = configuration.current()
  if (runAs !== undefined) yield* become(runAs)
  yield* configuration.follow(["runAs"], ({ runAs: next }) => {
    const isRoot = process.getuid?.() === 0
    if (next !== undefined && isRoot) run(Effect.catch(become(next), ({ message }) => Effect.logError(message)))
    else run(Effect.logWarning("run_as: the user stays who it is until the server is started again"))
  })
})
