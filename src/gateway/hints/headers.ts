/** The headers of `PUT /_guildway/hints/<identity>`, beside those of HEADER that the delivery carries on. */
export const HINT_HEADER = Object.freeze({
  /** Path and query to deliver it to. */
  target: 'guildway-hint-target',
  /** The guild's id, or empty. */
  guild: 'guildway-hint-guild',
  /** `0`: it was certainly not sent to its owner. Everything else: its owner may have executed it. */
  sent: 'guildway-hint-sent',
});
