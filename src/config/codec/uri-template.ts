/** The end of a URI template by which questions go by GET (RFC 8484 §4.1.1); without it they go by POST. */
export const TEMPLATE_END = "{?dns}"
