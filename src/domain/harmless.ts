/** Sentences from outside (names in a bucket, say) may hold control characters; a terminal must not obey them. */
export const harmless = (text: string): string =>
  text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\uFFFD')
