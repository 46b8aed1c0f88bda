import { act, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { App } from "../src/App";
import { cut, Gateway, invalid, status } from "./gateway";

const TICKET = "GET /api/v1/tickets/TKT-7K3Q9V";
const REPLY = "POST /api/v1/tickets/TKT-7K3Q9V/messages";
const QUESTION = { author: "AUTHOR_CUSTOMER", text: "How do I export?", createTime: "2025-03-04T09:00:00Z" };
const ANSWER = { author: "AUTHOR_AGENT", text: "Press Export.", createTime: "2025-03-04T09:00:05Z" };

function ticket(state: string, ...messages: object[]) {
  return status(200, {
    reference: "TKT-7K3Q9V",
    subject: "Export",
    state: `TICKET_STATE_${state}`,
    messages,
  });
}

let gateway: Gateway;

beforeEach(() => {
  gateway = new Gateway();
  window.history.replaceState(null, "", "/status/TKT-7K3Q9V#token-1");
});

function said(): string[] {
  return within(screen.getByRole("list", { name: "Conversation" }))
    .getAllByRole("listitem")
    .map((item) => item.querySelector(".message-text")?.textContent ?? "");
}

async function pass(milliseconds: number): Promise<void> {
  await act(() => vi.advanceTimersByTimeAsync(milliseconds));
}

function hideTab(hidden: boolean): void {
  vi.spyOn(document, "hidden", "get").mockReturnValue(hidden);
  document.dispatchEvent(new Event("visibilitychange"));
}

describe("the conversation", () => {
  test("shows author, time and text of each message, and the state in words", async () => {
    gateway.answer(TICKET, ticket("WAITING_ON_CUSTOMER", QUESTION, ANSWER));
    render(<App />);
    expect(await screen.findByText("Press Export.")).toBeInTheDocument();
    expect(screen.getByText("Answered")).toBeInTheDocument();
    expect(screen.getByText("You")).toBeInTheDocument();
    expect(screen.getByText("TechCorp assistant")).toBeInTheDocument();
    expect(document.querySelector("time")).toHaveAttribute("datetime", QUESTION.createTime);
    expect(screen.getByRole("heading", { level: 1 })).toHaveTextContent("Export");
  });

  test("shows markup as the text it is, and keeps its line breaks", async () => {
    const text = 'First line\n<img src=x onerror="alert(1)"> **bold** ![](https://evil.example/p.png)';
    gateway.answer(TICKET, ticket("RESOLVED", QUESTION, { ...ANSWER, text }));
    render(<App />);
    await screen.findByText(/First line/);
    expect(said()[1]).toBe(text);
    expect(document.querySelector(".conversation img, .conversation a")).toBeNull();
  });

  test("survives a reload: its address is all it needs", async () => {
    gateway.answer(TICKET, ticket("RESOLVED", QUESTION, ANSWER));
    const first = render(<App />);
    await screen.findByText("Press Export.");
    first.unmount();
    window.sessionStorage.clear();

    render(<App />);
    expect(await screen.findByText("Press Export.")).toBeInTheDocument();
    expect(window.location.hash).toBe("#token-1");
    expect(gateway.to(TICKET).at(-1)?.headers.get("X-Status-Token")).toBe("token-1");
  });

  test("is asked for without the token in the address, referrer, cookies or redirects", async () => {
    gateway.answer(TICKET, ticket("RESOLVED", QUESTION));
    render(<App />);
    await screen.findByText("Resolved");
    expect(gateway.seen.map((request) => request.path).join()).not.toContain("token-1");
    expect(gateway.seen[0]?.options).toMatchObject({
      referrerPolicy: "no-referrer",
      credentials: "omit",
      redirect: "error",
    });
  });

  test.each([
    ["NEW", "We have your message"],
    ["OPEN", "Being looked at"],
    ["WAITING_ON_CUSTOMER", "Answered"],
    ["ESCALATED", "With a person"],
    ["RESOLVED", "Resolved"],
    ["CLOSED", "Closed"],
    ["PAUSED", "In progress"],
  ])("in state %s says %j", async (state, words) => {
    gateway.answer(TICKET, ticket(state));
    render(<App />);
    expect(await screen.findByText(words)).toBeInTheDocument();
  });

  test("another link opened in the same tab shows nothing of the ticket before", async () => {
    gateway.answer(TICKET, ticket("RESOLVED", QUESTION, ANSWER));
    gateway.answer("GET /api/v1/tickets/TKT-222222", cut);
    render(<App />);
    await screen.findByText("Press Export.");
    await userEvent.type(screen.getByLabelText("Write back"), "For the first");
    act(() => {
      window.history.pushState(null, "", "/status/TKT-222222#token-2");
      window.dispatchEvent(new PopStateEvent("popstate"));
    });
    expect(await screen.findByText("TKT-222222")).toBeInTheDocument();
    expect(await screen.findByText(/This page keeps trying/)).toBeInTheDocument();
    expect(screen.queryByText("Press Export.")).not.toBeInTheDocument();
    expect(screen.getByLabelText("Write back")).toHaveValue("");
  });
});

describe("a link that leads nowhere", () => {
  test.each([404, 400, 403])(
    "gets one kind sentence for a %i, and is not asked about again",
    async (code) => {
      vi.useFakeTimers();
      gateway.answer(TICKET, status(code, { code: 5, message: "not found" }));
      render(<App />);
      await pass(60_000);
      expect(screen.getByRole("alert")).toHaveTextContent(/could not find a request/);
      expect(gateway.seen).toHaveLength(1);
    },
  );

  test("without a token is not even asked about", () => {
    window.history.replaceState(null, "", "/status/TKT-7K3Q9V");
    render(<App />);
    expect(screen.getByRole("alert")).toHaveTextContent(/could not find a request/);
    expect(gateway.seen).toEqual([]);
  });
});

describe("following", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  test("asks after a second, then ever less often, and at least every ten", async () => {
    gateway.answer(TICKET, ticket("ESCALATED", QUESTION));
    render(<App />);
    await pass(0);
    expect(gateway.seen).toHaveLength(1);
    await pass(1_000);
    expect(gateway.seen).toHaveLength(2);
    await pass(60_000);
    const busy = gateway.seen.length;
    expect(busy).toBeLessThan(14);
    await pass(10_000);
    expect(gateway.seen).toHaveLength(busy + 1);
  });

  test.each(["RESOLVED", "CLOSED"])("stops once the ticket is %s", async (state) => {
    gateway.answer(TICKET, ticket("OPEN", QUESTION), ticket(state, QUESTION, ANSWER));
    render(<App />);
    await pass(60_000);
    expect(gateway.seen).toHaveLength(2);
  });

  test("stops while the tab is hidden, and asks at once when it is shown", async () => {
    gateway.answer(TICKET, ticket("OPEN", QUESTION), ticket("OPEN", QUESTION, ANSWER));
    render(<App />);
    await pass(0);
    hideTab(true);
    await pass(60_000);
    expect(gateway.seen).toHaveLength(1);
    hideTab(false);
    await pass(0);
    expect(gateway.seen).toHaveLength(2);
    expect(screen.getByText("Press Export.")).toBeInTheDocument();
  });

  test("does not begin in a tab that is opened hidden, until it is shown", async () => {
    gateway.answer(TICKET, ticket("RESOLVED", QUESTION, ANSWER));
    hideTab(true);
    render(<App />);
    await pass(60_000);
    expect(gateway.seen).toEqual([]);
    hideTab(false);
    await pass(0);
    expect(gateway.seen).toHaveLength(1);
  });

  test("ends with the page, even with an answer still on its way to it", async () => {
    let arrive: (response: Response) => void = () => undefined;
    gateway.answer(
      TICKET,
      () =>
        new Promise((resolve) => {
          arrive = resolve;
        }),
    );
    const page = render(<App />);
    await pass(0);
    page.unmount();
    arrive(await ticket("OPEN", QUESTION)());
    await pass(60_000);
    expect(gateway.seen).toHaveLength(1);
  });

  test("stops with the page", async () => {
    gateway.answer(TICKET, ticket("OPEN", QUESTION));
    const page = render(<App />);
    await pass(0);
    page.unmount();
    await pass(60_000);
    expect(gateway.seen).toHaveLength(1);
  });

  test("announces a new answer, and nothing on arrival", async () => {
    gateway.answer(TICKET, ticket("OPEN", QUESTION), ticket("WAITING_ON_CUSTOMER", QUESTION, ANSWER));
    render(<App />);
    await pass(0);
    const announced = () =>
      screen
        .getAllByRole("status")
        .map((region) => region.textContent)
        .join("");
    expect(announced()).toBe("");
    await pass(1_000);
    expect(announced()).toBe("New answer from TechCorp assistant: Press Export.");
  });

  test("goes on through an outage with the conversation in sight, and says so", async () => {
    gateway.answer(
      TICKET,
      ticket("OPEN", QUESTION),
      cut,
      status(503, {}),
      ticket("WAITING_ON_CUSTOMER", QUESTION, ANSWER),
    );
    render(<App />);
    await pass(1_000);
    expect(screen.getByText(/This page keeps trying/)).toBeInTheDocument();
    expect(said()).toEqual(["How do I export?"]);
    await pass(30_000);
    expect(screen.queryByText(/This page keeps trying/)).not.toBeInTheDocument();
    expect(said()).toEqual(["How do I export?", "Press Export."]);
  });

  test("waits as long as the server asks", async () => {
    gateway.answer(TICKET, status(429, {}, { "Retry-After": "30" }), ticket("OPEN", QUESTION));
    render(<App />);
    await pass(29_000);
    expect(gateway.seen).toHaveLength(1);
    await pass(1_000);
    expect(gateway.seen).toHaveLength(2);
  });
});

describe("a reply", () => {
  async function write(text: string): Promise<void> {
    await userEvent.type(await screen.findByLabelText("Write back"), text);
    await userEvent.click(screen.getByRole("button", { name: "Send reply" }));
  }

  function keys(): (string | null)[] {
    return gateway.to(REPLY).map((request) => request.headers.get("Idempotency-Key"));
  }

  test("goes out with token and key, empties the box, and stands in the conversation at once", async () => {
    gateway.answer(TICKET, ticket("WAITING_ON_CUSTOMER", QUESTION, ANSWER)).answer(REPLY, status(200, {}));
    render(<App />);
    await screen.findByText("Press Export.");
    await write("Where is it?");
    await screen.findByText("on its way");
    expect(said()).toEqual(["How do I export?", "Press Export.", "Where is it?"]);
    expect(screen.getByLabelText("Write back")).toHaveValue("");
    expect(gateway.to(REPLY)[0]?.body).toEqual({ text: "Where is it?" });
    expect(gateway.to(REPLY)[0]?.headers.get("X-Status-Token")).toBe("token-1");
    expect(keys()[0]).toMatch(/^[0-9a-f]{32}$/);
  });

  test("is shown once when the desk shows it too, even on a resolved ticket", async () => {
    const reply = { author: "AUTHOR_CUSTOMER", text: "Where is it?", createTime: "2025-03-04T09:01:00Z" };
    gateway
      .answer(
        TICKET,
        ticket("RESOLVED", QUESTION, ANSWER),
        ticket("RESOLVED", QUESTION, ANSWER),
        ticket("OPEN", QUESTION, ANSWER, reply),
      )
      .answer(REPLY, status(200, {}));
    render(<App />);
    await screen.findByText("Press Export.");
    await write("Where is it?");
    expect(await screen.findByText("on its way")).toBeInTheDocument();
    expect(await screen.findByText("Being looked at")).toBeInTheDocument();
    expect(screen.queryByText("on its way")).not.toBeInTheDocument();
    expect(said()).toEqual(["How do I export?", "Press Export.", "Where is it?"]);
  });

  test("keeps its words and key when it did not get through, over a reload too; the next one has its own", async () => {
    gateway
      .answer(TICKET, ticket("WAITING_ON_CUSTOMER", QUESTION, ANSWER))
      .answer(REPLY, cut, status(503, {}), status(200, {}));
    const first = render(<App />);
    await write("Where is it?");
    expect(await screen.findByRole("alert")).toHaveTextContent(/could not reach/);
    first.unmount();

    render(<App />);
    expect(await screen.findByLabelText("Write back")).toHaveValue("Where is it?");
    await userEvent.click(screen.getByRole("button", { name: "Send reply" }));
    await userEvent.click(await screen.findByRole("button", { name: "Try again" }));
    await screen.findByText("on its way");
    await write("Where is it?");
    await waitFor(() => expect(keys()).toHaveLength(4));
    expect(new Set(keys().slice(0, 3)).size).toBe(1);
    expect(keys()[3]).not.toBe(keys()[0]);
  });

  test("that is empty or refused shows why at the box", async () => {
    gateway
      .answer(TICKET, ticket("WAITING_ON_CUSTOMER", QUESTION, ANSWER))
      .answer(REPLY, invalid({ text: "No control characters, please." }));
    render(<App />);
    await userEvent.click(await screen.findByRole("button", { name: "Send reply" }));
    const box = screen.getByLabelText("Write back");
    await waitFor(() => expect(box).toHaveAccessibleDescription("Please write your reply first."));
    expect(gateway.to(REPLY)).toEqual([]);
    await write("odd");
    await waitFor(() => expect(box).toHaveAccessibleDescription("No control characters, please."));
    expect(box).toHaveValue("odd");
  });

  test("has no box on a closed ticket, which points to the form", async () => {
    gateway.answer(TICKET, ticket("CLOSED", QUESTION, ANSWER));
    render(<App />);
    await userEvent.click(await screen.findByRole("link", { name: "Send us a new message." }));
    expect(screen.getByRole("heading", { level: 1 })).toHaveTextContent("How can we help?");
    expect(window.location.pathname + window.location.hash).toBe("/");
  });
});
