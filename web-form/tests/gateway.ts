import { vi } from "vitest";

export interface Seen {
  method: string;
  path: string;
  headers: Headers;
  body: unknown;
  options: RequestInit;
}

type Answer = () => Promise<Response>;

/** What stands in for the network: it answers in the given order, the last answer for ever, and notes what came. */
export class Gateway {
  readonly seen: Seen[] = [];
  private readonly answers = new Map<string, Answer[]>();

  constructor() {
    vi.stubGlobal("fetch", (path: string, options: RequestInit = {}) => this.handle(path, options));
  }

  /** Sets the answers of one route, such as `GET /api/v1/tickets/TKT-7K3Q9V`. */
  answer(route: string, ...answers: Answer[]): this {
    this.answers.set(route, answers);
    return this;
  }

  /** What came to one route. */
  to(route: string): Seen[] {
    return this.seen.filter((request) => `${request.method} ${request.path}` === route);
  }

  private handle(path: string, options: RequestInit): Promise<Response> {
    const method = options.method ?? "GET";
    const body: unknown = typeof options.body === "string" ? JSON.parse(options.body) : null;
    this.seen.push({ method, path, headers: new Headers(options.headers), body, options });
    const waiting = this.answers.get(`${method} ${path}`);
    const next = waiting !== undefined && waiting.length > 1 ? waiting.shift() : waiting?.[0];
    return (next ?? status(404, {}))();
  }
}

/** An answer in JSON. */
export function status(code: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return async () =>
    new Response(JSON.stringify(body), {
      status: code,
      headers: { "Content-Type": "application/json", ...headers },
    });
}

/** No answer at all, as when the network is away. */
export function cut(): Promise<Response> {
  return Promise.reject(new TypeError("Failed to fetch"));
}

/** A 200 that is not ours, as from a hotel's sign-in page. */
export async function someoneElsesPage(): Promise<Response> {
  return new Response("<html>Please sign in</html>", { status: 200 });
}

/** The contract's error body for fields that broke a rule. */
export function invalid(violations: Record<string, string>): Answer {
  return status(400, {
    code: 3,
    message: "The request has fields that break a rule.",
    details: [
      {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        reason: "ERROR_REASON_INVALID_ARGUMENT",
        domain: "channels.fte",
        metadata: {},
      },
      {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        fieldViolations: Object.entries(violations).map(([field, description]) => ({ field, description })),
      },
    ],
  });
}
