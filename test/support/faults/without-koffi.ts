/** Loaded into the server before its own code: the optional dependency is not installed. */
import { registerHooks } from "node:module"

registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier === "koffi") throw new Error("not installed")
    return next(specifier, context)
  }
})
