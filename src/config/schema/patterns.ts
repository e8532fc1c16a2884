/** What texts look like from afar, for editors: looser than what reads them, so that nothing right is refused. */

/** An IP address, with or without brackets, scope and port. */
export const ADDRESS_PATTERN = "[0-9A-Fa-f:.\\[\\]]+(%[^\\s\\]]+\\]?(:\\d+)?)?"
export const NETWORK_PATTERN = "[0-9A-Fa-f:.]+(/\\d{1,3})?"
export const UPSTREAM_PATTERN = "^([A-Za-z0-9][A-Za-z0-9_-]*\\s*=\\s*)?\\S+$"
