import type * as z from "zod/mini";
import { keyFor, settle } from "./idempotency";
import {
  acceptedSchema,
  errorSchema,
  type Receipt,
  receiptSchema,
  type Submission,
  type Ticket,
  ticketSchema,
} from "./schema";

const READ_DEADLINE_MS = 10_000;
const WRITE_DEADLINE_MS = 15_000;

/**
 * Why a call brought nothing.
 *
 * - `unreachable`: no answer, or none of ours; it may have arrived all the same
 * - `busy`: too many at once (429)
 * - `unavailable`: the service is away for now (5xx)
 * - `invalid`: something in it breaks a rule (400, 413, 422)
 * - `not-found`: no such ticket, or not with this token (404)
 * - `refused`: anything else the server will not do
 */
export type Kind = "unreachable" | "busy" | "unavailable" | "invalid" | "not-found" | "refused";

export interface FieldViolation {
  field: string;
  description: string;
}

/** A call that failed: its kind, the server's own sentence ("" when it gave none), the fields at fault. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly kind: Kind,
    readonly sentence = "",
    readonly violations: FieldViolation[] = [],
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(kind);
  }

  /** Whether the same call may well succeed a little later. */
  get isPassing(): boolean {
    return this.kind === "unreachable" || this.kind === "busy" || this.kind === "unavailable";
  }
}

/** Sends a filled form; pressed again after a failure, it is the same message and not a second one. */
export function submitForm(submission: Submission): Promise<Receipt> {
  const { website, ...fields } = submission;
  return command(
    "form",
    "/api/v1/support/form",
    website === "" ? fields : { ...fields, website },
    receiptSchema,
  );
}

/** The ticket as its customer may see it. */
export function readTicket(reference: string, statusToken: string): Promise<Ticket> {
  return call(
    ticketPath(reference),
    { headers: { "X-Status-Token": statusToken } },
    READ_DEADLINE_MS,
    ticketSchema,
  );
}

/** Adds the customer's next message to a ticket; repeats are harmless as in `submitForm`. */
export async function sendReply(reference: string, statusToken: string, text: string): Promise<void> {
  await command(`reply:${reference}`, `${ticketPath(reference)}/messages`, { text }, acceptedSchema, {
    "X-Status-Token": statusToken,
  });
}

function ticketPath(reference: string): string {
  return `/api/v1/tickets/${encodeURIComponent(reference)}`;
}

async function command<T>(
  scope: string,
  path: string,
  fields: object,
  answer: z.ZodMiniType<T>,
  headers: Record<string, string> = {},
): Promise<T> {
  const body = JSON.stringify(fields);
  const request = {
    method: "POST",
    headers: { ...headers, "Content-Type": "application/json", "Idempotency-Key": keyFor(scope, body) },
    body,
  };
  const accepted = await call(path, request, WRITE_DEADLINE_MS, answer);
  settle(scope);
  return accepted;
}

async function call<T>(
  path: string,
  request: RequestInit,
  deadlineMs: number,
  answer: z.ZodMiniType<T>,
): Promise<T> {
  const options: RequestInit = {
    ...request,
    cache: "no-store",
    credentials: "omit",
    // A redirect would carry the token to wherever it points.
    redirect: "error",
    referrerPolicy: "no-referrer",
    signal: AbortSignal.timeout(deadlineMs),
  };
  const response = await fetch(path, options).catch(() => {
    throw new ApiError("unreachable");
  });
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw failure(response, body);
  const parsed = answer.safeParse(body);
  // A 200 that is not ours (a hotel's sign-in page, a cut connection) has accepted nothing.
  if (!parsed.success) throw new ApiError("unreachable");
  return parsed.data;
}

function failure(response: Response, body: unknown): ApiError {
  const { message, details } = readError(body);
  const violations = details.flatMap((detail) => detail.fieldViolations);
  // The services ask for a pause in the body (google.rpc.RetryInfo, "30s"), the gateway in a header.
  const asked = details.find((detail) => detail.retryDelay !== undefined)?.retryDelay?.replace(/s$/, "");
  const seconds = Math.ceil(Number(asked ?? response.headers.get("Retry-After") ?? Number.NaN));
  return new ApiError(kindOf(response.status), message, violations, seconds > 0 ? seconds : null);
}

function readError(body: unknown): z.output<typeof errorSchema> {
  const parsed = errorSchema.safeParse(body);
  return parsed.success ? parsed.data : { message: "", details: [] };
}

function kindOf(status: number): Kind {
  if (status === 429) return "busy";
  if (status >= 500) return "unavailable";
  if (status === 404) return "not-found";
  if (status === 400 || status === 413 || status === 422) return "invalid";
  return "refused";
}
