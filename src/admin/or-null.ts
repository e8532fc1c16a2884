/** What is not known is null in JSON, so that each field is always there; inside the server it is an empty text. */
export const orNull = (text: string): string | null => (text === "" ? null : text)
