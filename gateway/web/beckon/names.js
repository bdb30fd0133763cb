// Characters that cannot be seen, or that turn the text around them (Unicode: Format, and fillers). A joiner within emoji is fine.
const unseen = /(?!\u200d)\p{Cf}|[\u115f\u1160\u3164\uffa0]/gu;

/**
 * A user id as people may be shown it. Ids are any text, so that one could look like another, or turn the words beside it
 * around: what cannot be seen is shown as a box.
 */
export function displayName(user) {
  return user.replace(unseen, "\ufffd").replace(/^\s+|\s+$/gu, "\u2423");
}
