/** Imported first: says in one line which Node is needed, before anything is loaded that an older one cannot run. */
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)

if (major < 22 || (major === 22 && minor < 19)) {
  console.error(
    `Strand needs Node 22.19 or newer; this is ${process.versions.node}. ` +
      "`npm ci` without --omit brings its own for `npm start`, https://nodejs.org has more."
  )
  process.exit(1)
}
