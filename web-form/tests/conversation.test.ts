import { expect, test } from "vitest";
import { newAnswer, stillOnTheirWay, withReply } from "../src/conversation";
import type { Message } from "../src/schema";

let seconds = 0;

function said(author: "CUSTOMER" | "AGENT", text: string): Message {
  seconds += 1;
  return { author: `AUTHOR_${author}`, text, createTime: new Date(seconds * 1_000).toISOString() };
}

const QUESTION = said("CUSTOMER", "How?");
const ANSWER = said("AGENT", "So.");

test("a reply is on its way until the desk shows one more message of the customer", () => {
  const sent = withReply([], [QUESTION, ANSWER], "Thanks");
  expect(stillOnTheirWay(sent, [QUESTION, ANSWER])).toEqual(sent);
  expect(stillOnTheirWay(sent, [QUESTION, ANSWER, said("AGENT", "More.")])).toEqual(sent);
  expect(stillOnTheirWay(sent, [QUESTION, ANSWER, said("CUSTOMER", "Thanks")])).toEqual([]);
});

test("of two equal replies, each arrival takes one off", () => {
  const [first, second] = [said("CUSTOMER", "Hello?"), said("CUSTOMER", "Hello?")];
  const sent = withReply(withReply([], [QUESTION], "Hello?"), [QUESTION], "Hello?");
  expect(stillOnTheirWay(sent, [QUESTION, first])).toHaveLength(1);
  expect(stillOnTheirWay(sent, [QUESTION, first, second])).toEqual([]);
});

test("a reply sent before the desk shows anything is not mistaken for the question", () => {
  const sent = withReply([], [], "And one more thing");
  expect(stillOnTheirWay(sent, [QUESTION])).toHaveLength(1);
  expect(stillOnTheirWay(sent, [QUESTION, said("CUSTOMER", "And one more thing")])).toEqual([]);
});

test("in a conversation longer than what is shown, replies and answers are still told apart", () => {
  const shown = Array.from({ length: 100 }, (_, place) => said(place % 2 ? "AGENT" : "CUSTOMER", `${place}`));
  const sent = withReply([], shown, "Thanks");
  const later = [...shown.slice(2), said("CUSTOMER", "Thanks"), said("AGENT", "You are welcome.")];
  expect(stillOnTheirWay(sent, later)).toEqual([]);
  expect(newAnswer(shown, later)?.text).toBe("You are welcome.");
  expect(newAnswer(later, later)).toBeNull();
});
