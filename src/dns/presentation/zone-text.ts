/** Names and texts as zone files have them (RFC 1035 §5.1). */

/** With its dot at the end. */
export const nameText = (name: string): string => (name === "." || name === "" ? "." : `${name}.`)

/** Octets outside printable ASCII as `\DDD`. */
export const quoted = (text: string | Buffer): string => {
  let out = ""
  for (const octet of Buffer.from(text as Buffer)) {
    const character = String.fromCharCode(octet)
    if (octet < 0x20 || octet > 0x7e) out += `\\${String(octet).padStart(3, "0")}`
    else out += character === '"' || character === "\\" ? `\\${character}` : character
  }
  return `"${out}"`
}
