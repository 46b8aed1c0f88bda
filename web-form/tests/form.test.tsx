import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, test } from "vitest";
import { App } from "../src/App";
import { cut, Gateway, invalid, someoneElsesPage, status } from "./gateway";

const FORM = "POST /api/v1/support/form";
const TICKET = "GET /api/v1/tickets/TKT-7K3Q9V";
const ACCEPTED = status(200, {
  reference: "TKT-7K3Q9V",
  statusToken: "token-1",
  statusUrl: "https://support.customer.example/status/TKT-7K3Q9V#token-1",
});

let gateway: Gateway;

beforeEach(() => {
  gateway = new Gateway().answer(TICKET, status(200, { reference: "TKT-7K3Q9V", state: "TICKET_STATE_NEW" }));
});

function message(): HTMLElement {
  return screen.getByLabelText("Your message");
}

async function write(label: string, text: string): Promise<void> {
  await userEvent.click(screen.getByLabelText(label));
  await userEvent.paste(text);
}

async function fill(): Promise<void> {
  await write("Your name", "Ann Example");
  await write("E-mail", "ann@customer.example");
  await write("Subject", "Export");
  await userEvent.selectOptions(screen.getByLabelText("What is it about?"), "technical");
  await userEvent.click(screen.getByLabelText(/^High/));
  await write("Your message", "How do I export a board?");
}

async function press(name = "Send message"): Promise<void> {
  await userEvent.click(screen.getByRole("button", { name }));
}

function keys(): (string | null)[] {
  return gateway.to(FORM).map((request) => request.headers.get("Idempotency-Key"));
}

describe("an accepted form", () => {
  test("was sent as the contract says, and leads to the ticket's page with its reference", async () => {
    gateway.answer(FORM, ACCEPTED);
    render(<App />);
    await fill();
    await press();

    expect(await screen.findByText(/your message is with us/)).toBeInTheDocument();
    expect(screen.getAllByText("TKT-7K3Q9V").length).toBeGreaterThan(0);
    expect(window.location.pathname + window.location.hash).toBe("/status/TKT-7K3Q9V#token-1");
    expect(gateway.to(FORM)[0]?.body).toEqual({
      name: "Ann Example",
      email: "ann@customer.example",
      subject: "Export",
      category: "technical",
      priority: "PRIORITY_HIGH",
      message: "How do I export a board?",
    });
    expect(keys()[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(gateway.to(TICKET)[0]?.headers.get("X-Status-Token")).toBe("token-1");
  });

  test("moves the focus to the heading of the ticket's page", async () => {
    gateway.answer(FORM, ACCEPTED);
    render(<App />);
    await fill();
    await press();
    await waitFor(() => expect(screen.getByRole("heading", { level: 1 })).toHaveFocus());
  });

  test("leaves an empty form behind, and the next one has another key", async () => {
    gateway.answer(FORM, ACCEPTED);
    const first = render(<App />);
    await fill();
    await press();
    await screen.findByText(/your message is with us/);
    first.unmount();
    window.history.replaceState(null, "", "/");

    render(<App />);
    expect(message()).toHaveValue("");
    await fill();
    await press();
    await waitFor(() => expect(gateway.to(FORM)).toHaveLength(2));
    expect(gateway.to(FORM)[1]?.body).toEqual(gateway.to(FORM)[0]?.body);
    expect(keys()[1]).not.toBe(keys()[0]);
  });
});

describe("a form that breaks a rule", () => {
  test("is not sent; its first field at fault has the focus, and its error is tied to it", async () => {
    render(<App />);
    await press();

    const name = screen.getByLabelText("Your name");
    await waitFor(() => expect(name).toHaveFocus());
    expect(name).toBeInvalid();
    expect(name).toHaveAccessibleDescription("Please tell us your name.");
    expect(screen.getByText("5 fields need another look.")).toHaveAttribute("role", "status");
    expect(gateway.seen).toEqual([]);
  });

  test("shows the server's violations at their fields, with what was typed still there", async () => {
    gateway.answer(FORM, invalid({ "submission.email": "This domain takes no mail.", message: "Too odd." }));
    render(<App />);
    await fill();
    await press();

    const email = screen.getByLabelText("E-mail");
    await waitFor(() => expect(email).toHaveAccessibleDescription("This domain takes no mail."));
    expect(email).toHaveFocus();
    expect(message()).toHaveAccessibleDescription(/Too odd\./);
    expect(message()).toHaveValue("How do I export a board?");
    expect(screen.queryByRole("alert")).not.toBeInTheDocument();
  });

  test("shows a violation of no field it knows as one sentence", async () => {
    gateway.answer(FORM, invalid({ source_address: "Not from here." }));
    render(<App />);
    await fill();
    await press();
    expect(await screen.findByRole("alert")).toHaveTextContent("The request has fields that break a rule.");
  });

  test("changed after a refusal goes out under a new key: the old one stands for the old words", async () => {
    gateway.answer(FORM, invalid({ message: "Too odd." }), ACCEPTED);
    render(<App />);
    await fill();
    await press();
    await screen.findByText("Too odd.");
    await userEvent.type(message(), " Please.");
    await press();
    await waitFor(() => expect(gateway.to(FORM)).toHaveLength(2));
    expect(keys()[1]).not.toBe(keys()[0]);
  });
});

describe("a form that did not get through", () => {
  test.each([
    ["the network is away", cut, /could not reach our support desk/],
    ["someone else answers", someoneElsesPage, /could not reach our support desk/],
    ["the service is away", status(503, { code: 14, message: "unavailable" }), /away for a moment/],
    ["too many write at once", status(429, { code: 8 }, { "Retry-After": "7" }), /in 7 seconds/],
    ["one writes too much", status(429, { code: 8, details: [{ retryDelay: "1799.5s" }] }), /in 30 minutes/],
  ])("keeps its words and its key when %s, and is sent again on a press", async (_, failing, words) => {
    gateway.answer(FORM, failing, ACCEPTED);
    render(<App />);
    await fill();
    await press();

    expect(await screen.findByRole("alert")).toHaveTextContent(words);
    expect(message()).toHaveValue("How do I export a board?");
    await press("Try again");
    await screen.findByText(/your message is with us/);
    expect(keys()).toHaveLength(2);
    expect(keys()[1]).toBe(keys()[0]);
  });

  test("keeps its words and its key over a reload", async () => {
    gateway.answer(FORM, cut, ACCEPTED);
    const first = render(<App />);
    await fill();
    await press();
    await screen.findByRole("alert");
    first.unmount();

    render(<App />);
    expect(message()).toHaveValue("How do I export a board?");
    expect(screen.getByLabelText(/^High/)).toBeChecked();
    await press();
    await screen.findByText(/your message is with us/);
    expect(keys()[1]).toBe(keys()[0]);
  });

  test("is sent once when the button is pressed twice", async () => {
    let answer: (response: Response) => void = () => undefined;
    gateway.answer(
      FORM,
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    render(<App />);
    await fill();
    await press();
    await press("Sending…");
    expect(gateway.to(FORM)).toHaveLength(1);
    answer(await ACCEPTED());
    await screen.findByText(/your message is with us/);
  });
});

test("the honeypot is hidden from people and sent only when it was filled", async () => {
  gateway.answer(FORM, ACCEPTED);
  render(<App />);
  const honeypot = document.querySelector<HTMLInputElement>('input[name="website"]');
  expect(honeypot?.closest('[aria-hidden="true"]')).not.toBeNull();
  expect(honeypot).toHaveAttribute("tabindex", "-1");
  await fill();
  if (honeypot) await userEvent.type(honeypot, "spam.example");
  await press();
  await waitFor(() => expect(gateway.to(FORM)[0]?.body).toMatchObject({ website: "spam.example" }));
});

test("the message's characters are counted as it is typed", async () => {
  render(<App />);
  await userEvent.type(message(), "🦊 hello");
  expect(screen.getByText("7 / 10,000")).toBeInTheDocument();
});
