import { expect, test } from "vitest";
import { readRoute, statusPath } from "../src/route";

const TOKEN = "mZ0-_q4R.t~x";

test("a ticket's address carries its token in the fragment only, and reads back as it was", () => {
  const url = new URL(statusPath("TKT-7K3Q9V", TOKEN), "https://support.customer.example");
  expect(url.pathname).toBe("/status/TKT-7K3Q9V");
  expect(url.search).toBe("");
  expect(readRoute(url.pathname, url.hash)).toEqual({
    page: "status",
    reference: "TKT-7K3Q9V",
    statusToken: TOKEN,
  });
});

test.each(["", "#", "#line\nbreak", "#%E0%A4%A", "#café", `#${"x".repeat(513)}`])(
  "the fragment %j is no token",
  (fragment) => expect(readRoute("/status/TKT-7K3Q9V", fragment)).toMatchObject({ statusToken: "" }),
);

test.each([
  "/status",
  "/status/",
  "/status/TKT-7K3Q9V/b",
  "/status/TKT-7K3Q9",
  "/status/%E0%A4%A",
  "/nowhere",
])("the path %j leads to no page", (path) => expect(readRoute(path, "#x")).toEqual({ page: "unknown" }));
