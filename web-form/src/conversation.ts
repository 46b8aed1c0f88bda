import type { Message } from "./schema";

/** A reply that was accepted and that the desk does not show yet. */
export interface SentReply {
  text: string;
  /** Its place among the customer's own messages, from 1. */
  place: number;
}

const WRITTEN_BY_CUSTOMER = "AUTHOR_CUSTOMER";

function countOwn(messages: readonly Message[]): number {
  return messages.filter((message) => message.author === WRITTEN_BY_CUSTOMER).length;
}

/** The replies that the desk does not show yet, in the order they were sent. */
export function stillOnTheirWay(sent: readonly SentReply[], messages: readonly Message[]): SentReply[] {
  return sent.filter((reply) => reply.place > countOwn(messages));
}

/** `sent` with one more reply, behind everything the customer has written so far. */
export function withReply(
  sent: readonly SentReply[],
  messages: readonly Message[],
  text: string,
): SentReply[] {
  const underWay = stillOnTheirWay(sent, messages);
  // The form's own message counts even while the desk does not show it yet.
  const before = Math.max(1, countOwn(messages)) + underWay.length;
  return [...underWay, { text, place: before + 1 }];
}

/** The newest message that is not the customer's own, when `now` holds more of them than `before`. */
export function newAnswer(before: readonly Message[], now: readonly Message[]): Message | null {
  const answers = (messages: readonly Message[]) =>
    messages.filter((message) => message.author !== WRITTEN_BY_CUSTOMER);
  const found = answers(now);
  return found.length > answers(before).length ? (found.at(-1) ?? null) : null;
}
