// The small build of zod: the same rules at a fifth of the page's weight.
import * as z from "zod/mini";

// The page's content policy forbids eval; without this zod tries it once, and the browser logs a violation.
z.config({ jitless: true });

/** The limits of the contract, in characters (code points, as the services count them). */
export const LIMITS = { name: 100, email: 254, subject: 200, message: 10_000 } as const;

export const CATEGORIES = ["general", "technical", "billing", "feedback", "bug_report"] as const;
export const PRIORITIES = ["PRIORITY_LOW", "PRIORITY_MEDIUM", "PRIORITY_HIGH"] as const;

/** The length of `text` as the services count it: code points, not UTF-16 units, without the blanks around it. */
export function countCharacters(text: string): number {
  return [...text.trim()].length;
}

// Pasted text may hold tabs and the like, unseen; the contract refuses them, and nobody could tell where they are.
const oneLine = (value: string) => value.replace(/\p{Cc}+/gu, " ");
const withoutNul = (value: string) => value.replaceAll("\0", "");

function text(limit: number, missing: string, tidy = withoutNul) {
  return z.string().check(
    z.overwrite(tidy),
    z.trim(),
    z.minLength(1, missing),
    z.refine((value) => countCharacters(value) <= limit, {
      error: (issue) =>
        `This is ${countCharacters(String(issue.input)).toLocaleString("en")} characters long; ` +
        `please keep it to ${limit.toLocaleString("en")}.`,
    }),
  );
}

const EMAIL_HINT =
  "This does not look like an e-mail address. Please check it, for example name@example.com.";

/** What a half-filled form may hold: its fields with any text, the category still open. */
export const draftSchema = z.object({
  name: z.string(),
  email: z.string(),
  subject: z.string(),
  category: z.enum(["", ...CATEGORIES]),
  priority: z.enum(PRIORITIES),
  message: z.string(),
  /** The honeypot: people never see it, and it is sent only when something has filled it. */
  website: z.string(),
});

export type Draft = z.output<typeof draftSchema>;

export const EMPTY_DRAFT: Draft = {
  name: "",
  email: "",
  subject: "",
  category: "",
  priority: "PRIORITY_MEDIUM",
  message: "",
  website: "",
};

/** A filled form: what the customer typed, trimmed, within the contract's limits. */
export const submissionSchema = z.object({
  name: text(LIMITS.name, "Please tell us your name.", oneLine),
  email: z.pipe(
    text(LIMITS.email, "Please give us your e-mail address."),
    z.email({ pattern: z.regexes.html5Email, error: EMAIL_HINT, abort: true }).check(
      // HTML's own pattern lets `ann@example` through, which no mail reaches.
      z.refine((address) => /\.[^.]{2,}$/.test(address), EMAIL_HINT),
    ),
  ),
  subject: text(LIMITS.subject, "Please say in a few words what it is about.", oneLine),
  category: z.pipe(draftSchema.shape.category, z.enum(CATEGORIES, "Please choose what fits best.")),
  priority: z.enum(PRIORITIES, "Please choose one."),
  message: text(LIMITS.message, "Please write your message."),
  website: z.string(),
});

export type Submission = z.output<typeof submissionSchema>;

/** A reply written on the status page. */
export const replySchema = z.object({ text: text(LIMITS.message, "Please write your reply first.") });

/** The answer to an accepted form. */
export const receiptSchema = z.object({
  reference: z.string().check(z.minLength(1)),
  statusToken: z.string().check(z.minLength(1)),
});

export type Receipt = z.output<typeof receiptSchema>;

// Enums are read as text: a state or author added to the contract later must not blank a page already open.
const messageSchema = z.object({
  author: z._default(z.string(), ""),
  text: z._default(z.string(), ""),
  createTime: z.optional(z.string()),
});

export type Message = z.output<typeof messageSchema>;

/** A ticket as its customer may see it; protobuf's JSON leaves out what is empty. */
export const ticketSchema = z.object({
  reference: z.string().check(z.minLength(1)),
  subject: z._default(z.string(), ""),
  state: z._default(z.string(), "TICKET_STATE_NEW"),
  messages: z._default(z.array(messageSchema), []),
});

export type Ticket = z.output<typeof ticketSchema>;

/** The answer to an accepted reply: an object, whatever it holds. */
export const acceptedSchema = z.object({});

const violationSchema = z.object({
  field: z._default(z.string(), ""),
  description: z._default(z.string(), ""),
});

const detailSchema = z.object({
  fieldViolations: z._default(z.array(violationSchema), []),
  retryDelay: z.optional(z.string()),
});

/** The gateway's error body; details of other types come out empty. */
export const errorSchema = z.object({
  message: z._default(z.string(), ""),
  details: z.catch(z.array(detailSchema), []),
});
