import * as z from "zod/mini";
import { forget, recall, remember } from "./session";

const attemptSchema = z.object({ key: z.string(), body: z.string() });

function freshKey(): string {
  // crypto.randomUUID is missing on plain http outside localhost; this is not.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The Idempotency-Key under which `body` is sent from `scope` (a form, or a ticket's reply box).
 *
 * The same body keeps its key until `settle`, over retries and reloads: an answer that got lost does not become a
 * second message. A changed body gets a new key, because the services refuse an old key with new words.
 */
export function keyFor(scope: string, body: string): string {
  const attempt = recall(`attempt:${scope}`, attemptSchema);
  if (attempt?.body === body) return attempt.key;
  const key = freshKey();
  remember(`attempt:${scope}`, { key, body });
  return key;
}

/** Ends the attempt of `scope`: it was accepted, and whatever is sent next is a new message. */
export function settle(scope: string): void {
  forget(`attempt:${scope}`);
}
