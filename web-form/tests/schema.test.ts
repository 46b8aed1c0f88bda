import { describe, expect, test } from "vitest";
import { EMPTY_DRAFT, errorSchema, submissionSchema, ticketSchema } from "../src/schema";

const FILLED = {
  ...EMPTY_DRAFT,
  name: "Ann Example",
  email: "ann@customer.example",
  subject: "Export",
  category: "technical",
  message: "How do I export a board?",
};

function faults(change: Partial<Record<keyof typeof FILLED, string>>): string[] {
  const result = submissionSchema.safeParse({ ...FILLED, ...change });
  return result.success ? [] : result.error.issues.map((issue) => issue.path.join("."));
}

describe("a form", () => {
  test("within the limits is accepted, without the blanks around its text", () => {
    const submission = submissionSchema.parse({ ...FILLED, name: "  Ann Example ", message: "\n a\nb \n" });
    expect(submission).toMatchObject({ name: "Ann Example", message: "a\nb", priority: "PRIORITY_MEDIUM" });
  });

  test.each([
    ["name", 100],
    ["subject", 200],
    ["message", 10_000],
  ] as const)("takes a %s of exactly %i characters and not one more", (field, limit) => {
    expect(faults({ [field]: "x".repeat(limit) })).toEqual([]);
    expect(faults({ [field]: "x".repeat(limit + 1) })).toEqual([field]);
  });

  test("counts an emoji as one character, as the services do", () => {
    expect(faults({ name: "🦊".repeat(100) })).toEqual([]);
    expect(faults({ name: "🦊".repeat(101) })).toEqual(["name"]);
  });

  test("loses the unseen characters that the contract refuses", () => {
    expect(
      submissionSchema.parse({ ...FILLED, subject: "Export\tof a\u0007board", message: "a\tb\0" }),
    ).toMatchObject({
      subject: "Export of a board",
      message: "a\tb",
    });
  });

  test.each(["name", "email", "subject", "category", "message"] as const)("wants the field %s", (field) => {
    expect(faults({ [field]: field === "category" ? "" : "   " })).toEqual([field]);
  });

  test.each(["ann", "ann@", "@customer.example", "ann@customer", "ann@customer.", "a b@customer.example"])(
    "does not take %j for an e-mail address",
    (email) => expect(faults({ email })).toEqual(["email"]),
  );

  test.each(["ann@customer.example", "ann+desk@mail.customer.example", "o'neil@customer.example"])(
    "takes %j for an e-mail address",
    (email) => expect(faults({ email })).toEqual([]),
  );

  test("takes an address of 254 characters and not one of 255", () => {
    const domain = `@${"d".repeat(60)}.${"e".repeat(60)}.${"f".repeat(60)}.example`;
    expect(faults({ email: "a".repeat(254 - domain.length) + domain })).toEqual([]);
    expect(faults({ email: "a".repeat(255 - domain.length) + domain })).toEqual(["email"]);
  });

  test("takes no category or priority that the contract does not know", () => {
    expect(faults({ category: "sales" })).toEqual(["category"]);
    expect(faults({ priority: "PRIORITY_URGENT" })).toEqual(["priority"]);
  });
});

test("a ticket with only reference and state is read, and one with a state unknown to this page", () => {
  expect(ticketSchema.parse({ reference: "TKT-7K3Q9V", state: "TICKET_STATE_NEW" })).toEqual({
    reference: "TKT-7K3Q9V",
    state: "TICKET_STATE_NEW",
    subject: "",
    messages: [],
  });
  expect(ticketSchema.parse({ reference: "TKT-7K3Q9V", state: "TICKET_STATE_PAUSED" }).state).toBe(
    "TICKET_STATE_PAUSED",
  );
});

test("an error body's details give violations and a pause, and other types nothing", () => {
  const details = [
    { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "ERROR_REASON_TOO_MANY_MESSAGES" },
    { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "30s" },
  ];
  expect(errorSchema.parse({ code: 8, message: "Too many.", details }).details).toEqual([
    { fieldViolations: [] },
    { fieldViolations: [], retryDelay: "30s" },
  ]);
});

test("an error body with details of any other shape still gives its sentence", () => {
  expect(errorSchema.parse({ message: "No.", details: "none" })).toEqual({ message: "No.", details: [] });
});
