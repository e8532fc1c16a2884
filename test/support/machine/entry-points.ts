/** In the place of `src/runtime/entry-points.ts`: threads run what was built, which begins in a third of the time. */
const root = new URL("../../../", import.meta.url)

export const isBuilt = true
export const programAt = (path: string): URL => new URL(`dist/${path}.js`, root)
export const packageFile = (path: string): URL => new URL(path, root)
