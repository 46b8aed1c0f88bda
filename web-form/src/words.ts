import type { ApiError } from "./api";
import type { CATEGORIES, PRIORITIES } from "./schema";

export const COMPANY = "TechCorp";

export const CATEGORY_WORDS: Record<(typeof CATEGORIES)[number], string> = {
  general: "A general question",
  technical: "Help with the product",
  billing: "Billing and invoices",
  feedback: "Feedback or an idea",
  bug_report: "Something is broken",
};

export const PRIORITY_WORDS: Record<(typeof PRIORITIES)[number], { label: string; hint: string }> = {
  PRIORITY_LOW: { label: "Low", hint: "when you get to it" },
  PRIORITY_MEDIUM: { label: "Medium", hint: "it slows me down" },
  PRIORITY_HIGH: { label: "High", hint: "I cannot work" },
};

export interface StateWords {
  label: string;
  explanation: string;
  tone: "waiting" | "answered" | "person" | "done";
}

const STATE_WORDS: Record<string, StateWords> = {
  TICKET_STATE_NEW: {
    label: "We have your message",
    explanation: "It is safely on our desk. The answer will appear on this page.",
    tone: "waiting",
  },
  TICKET_STATE_OPEN: {
    label: "Being looked at",
    explanation: "We are looking for the answer now. It will appear on this page.",
    tone: "waiting",
  },
  TICKET_STATE_WAITING_ON_CUSTOMER: {
    label: "Answered",
    explanation: "Our answer is below. If it does not help, just write back.",
    tone: "answered",
  },
  TICKET_STATE_ESCALATED: {
    label: "With a person",
    explanation: "One of our people has your request and everything you told us. They answer on this page.",
    tone: "person",
  },
  TICKET_STATE_RESOLVED: {
    label: "Resolved",
    explanation: "We believe this is solved. If it is not, write to us below.",
    tone: "done",
  },
  TICKET_STATE_CLOSED: { label: "Closed", explanation: "This request is finished.", tone: "done" },
};

/** A ticket's state in the customer's words; a state this page does not know yet is still a calm sentence. */
export function stateWords(state: string): StateWords {
  return (
    STATE_WORDS[state] ?? {
      label: "In progress",
      explanation: "We are working on it. News will appear on this page.",
      tone: "waiting",
    }
  );
}

/** Who wrote a message, as its reader would say it. */
export function authorWords(author: string): string {
  if (author === "AUTHOR_CUSTOMER") return "You";
  if (author === "AUTHOR_STAFF") return `${COMPANY} support team`;
  return `${COMPANY} assistant`;
}

/** What went wrong with a message that stays in its box, and what to do about it. */
export function problemWords(problem: ApiError): string {
  switch (problem.kind) {
    case "unreachable":
      return (
        "We could not reach our support desk. Please check your connection and press the button again. " +
        "Your words are still here, and they will arrive only once."
      );
    case "busy":
      return `A lot of messages are coming in right now. Yours is still here: please press the button again ${later(problem)}.`;
    case "unavailable":
      return `Our support desk is away for a moment. Your words are still here: please press the button again ${later(problem)}.`;
    case "invalid":
      return problem.sentence || "Something in this message could not be accepted. Please look it over.";
    case "not-found":
      return NOT_FOUND;
    case "refused":
      return problem.sentence || "We could not accept this message.";
  }
}

export const NOT_FOUND =
  "We could not find a request at this address; please open the whole link you were given.";

function later(problem: ApiError): string {
  const seconds = problem.retryAfterSeconds;
  if (seconds === null) return "in a moment";
  if (seconds > 90) return `in ${Math.ceil(seconds / 60)} minutes`;
  return seconds === 1 ? "in a second" : `in ${seconds} seconds`;
}

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A time of the contract in the reader's own zone and manner, or "" when there is none. */
export function momentWords(time: string | undefined): string {
  const moment = new Date(time ?? Number.NaN);
  return Number.isNaN(moment.getTime()) ? "" : MOMENT.format(moment);
}
