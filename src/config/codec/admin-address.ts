/** Where the admin side listens: `127.0.0.1:8053`, or `off`. */
import { Result } from "effect"
import { type Endpoint, formatEndpoint } from "../../io/endpoint.ts"
import { readEndpoint } from "./endpoint.ts"
import type { TextForm } from "./text-form.ts"

export const ADMIN_PORT = 8053

export type AdminAddress = Endpoint | "off"

export const adminAddress: TextForm<AdminAddress> = {
  read: (text) => (text.toLowerCase() === "off" ? Result.succeed("off") : readEndpoint(text, ADMIN_PORT)),
  write: (address) => (address === "off" ? "off" : formatEndpoint(address))
}
