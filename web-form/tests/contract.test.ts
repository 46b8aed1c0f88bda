import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LIMITS, PRIORITIES } from "../src/schema";
import { stateWords } from "../src/words";

function contract(path: string): string {
  return readFileSync(join(import.meta.dirname, "../../protos/fte", path), "utf8");
}

function block(text: string, opening: string): string {
  const start = text.indexOf(`\n${opening} {`);
  expect(start, `${opening} stands in the contract`).toBeGreaterThan(-1);
  return text.slice(start, text.indexOf("\n}", start));
}

const DESK = contract("tickets/v1/ticket.proto");

test.each(Object.entries(LIMITS))("the form's limit for %s is the contract's", (field, limit) => {
  const form = block(contract("channels/v1/channels_service.proto"), "message SubmitFormRequest");
  const rules = new RegExp(`string ${field} = \\d+ \\[([^;]*);`).exec(form)?.[1];
  expect(Number(/max_len: (\d+)/.exec(rules ?? "")?.[1])).toBe(limit);
});

test("a reply may be as long as the contract lets it", () => {
  const reply = block(contract("channels/v1/channels_service.proto"), "message SubmitMessageRequest");
  expect(Number(/string text = \d+ \[[^;]*max_len: (\d+)/.exec(reply)?.[1])).toBe(LIMITS.message);
});

test("every state that the contract knows has its own words", () => {
  const states = block(DESK, "enum TicketState").match(/TICKET_STATE_\w+/g) ?? [];
  const sayable = states.filter((state) => state !== "TICKET_STATE_UNSPECIFIED");
  expect(sayable).toHaveLength(6);
  expect(new Set([...sayable, "unknown"].map((state) => stateWords(state).label)).size).toBe(7);
});

test("the priorities offered are the contract's", () => {
  const found = block(contract("channels/v1/message.proto"), "enum Priority").match(/PRIORITY_\w+/g) ?? [];
  expect(found.filter((priority) => priority !== "PRIORITY_UNSPECIFIED")).toEqual([...PRIORITIES]);
});
