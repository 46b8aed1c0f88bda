import type { Message } from "./schema";

/** A reply that was accepted and that the desk may not show yet. */
export interface SentReply {
  text: string;
  /** The customer's messages that the desk showed when it was sent. */
  known: ReadonlySet<string>;
  /** How many of the customer's messages were then still on their way before it. */
  ahead: number;
}

/** Whether the customer wrote it, and not one of us. */
export function isOwn(message: Message): boolean {
  return message.author === "AUTHOR_CUSTOMER";
}

// The contract shows customers no message ids, and the newest hundred messages only, so that counting is not enough.
function identity(message: Message): string {
  return `${message.createTime} ${message.text}`;
}

/** The replies that the desk does not show yet, in the order they were sent. */
export function stillOnTheirWay(sent: readonly SentReply[], messages: readonly Message[]): SentReply[] {
  const own = messages.filter(isOwn).map(identity);
  return sent.filter((reply) => own.filter((message) => !reply.known.has(message)).length <= reply.ahead);
}

/** `sent` with one more reply, behind everything the customer has written so far. */
export function withReply(
  sent: readonly SentReply[],
  messages: readonly Message[],
  text: string,
): SentReply[] {
  const underWay = stillOnTheirWay(sent, messages);
  const known = new Set(messages.filter(isOwn).map(identity));
  // While the desk shows nothing at all, the message that opened the ticket is itself on its way.
  const opening = known.size === 0 ? 1 : 0;
  return [...underWay, { text, known, ahead: underWay.length + opening }];
}

/** The newest message of ours in `now`, when `before` did not end with the same one. */
export function newAnswer(before: readonly Message[], now: readonly Message[]): Message | null {
  const newest = (messages: readonly Message[]) => messages.filter((message) => !isOwn(message)).at(-1);
  const answer = newest(now);
  const known = newest(before);
  if (answer === undefined) return null;
  return known !== undefined && identity(known) === identity(answer) ? null : answer;
}
