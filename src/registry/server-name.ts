/** What a server may be called; it stands in URLs, metrics and file names, so it stays tame. Pure, and loads nothing. */

/** The pattern of a server's name. */
export const serverNamePattern = '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'

/** The pattern in words, behind "must be". */
export const serverNameWords =
  '1 to 64 letters, digits, dots, underscores or hyphens, beginning with a letter or digit'
