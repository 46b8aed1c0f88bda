import { useState } from "react";
import { Conversation } from "../components/Conversation";
import { CopyLink } from "../components/CopyLink";
import { FormLink } from "../components/Frame";
import { Notice } from "../components/Notice";
import { ReplyBox } from "../components/ReplyBox";
import { TicketState } from "../components/TicketState";
import { isOwn } from "../conversation";
import { arrival } from "../route";
import { useTicket } from "../useTicket";
import { useTitle } from "../useTitle";
import { NOT_FOUND, stateWords } from "../words";

interface StatusPageProps {
  reference: string;
  /** "" when the address carries none. */
  statusToken: string;
}

/** A ticket's page: where it stands, what was said, and a place to write on. Its address is all it needs. */
export function StatusPage({ reference, statusToken }: StatusPageProps) {
  useTitle(reference);
  if (statusToken === "") return <Missing />;
  return <Followed reference={reference} statusToken={statusToken} />;
}

function Followed({ reference, statusToken }: StatusPageProps) {
  const { ticket, problem, underWay, news, replied } = useTicket(reference, statusToken);
  const [justSent] = useState(() => arrival().sent === true);
  if (problem && !problem.isPassing) return <Missing />;

  const answering = ticket !== null && stateWords(ticket.state).tone === "waiting";
  const answered = ticket?.messages.some((message) => !isOwn(message)) ?? false;
  return (
    <section className="card ticket">
      {justSent && !answered && (
        <Notice tone="success">
          <strong>Thank you, your message is with us.</strong> Your reference is{" "}
          <b className="whole">{reference}</b>.
        </Notice>
      )}
      <header className="ticket-head">
        <p className="reference">{reference}</p>
        <h1 tabIndex={-1} dir="auto">
          {ticket?.subject || "Your request"}
        </h1>
      </header>
      <p className="out-of-sight" role="status">
        {news}
      </p>

      {problem && (
        <Notice tone="quiet">We cannot reach our support desk just now. This page keeps trying.</Notice>
      )}
      {ticket === null && !problem && <p className="field-hint">One moment…</p>}
      {ticket && <TicketState state={ticket.state} />}
      {ticket && <Conversation messages={ticket.messages} underWay={underWay} />}
      {answering && !problem && (
        <p className="thinking" aria-hidden="true">
          <i />
          <i />
          <i />
        </p>
      )}

      {ticket?.state === "TICKET_STATE_CLOSED" ? (
        <p>
          Is there something else? <FormLink>Send us a new message.</FormLink>
        </p>
      ) : (
        <ReplyBox reference={reference} statusToken={statusToken} onSent={replied} />
      )}

      <footer className="keep">
        <p>
          <strong>Keep this page's link</strong> to come back later. Whoever has it can read this
          conversation.
        </p>
        <div className="actions">
          <CopyLink />
        </div>
      </footer>
    </section>
  );
}

function Missing() {
  return (
    <section className="card">
      <h1 tabIndex={-1}>This link leads nowhere</h1>
      <p role="alert">{NOT_FOUND}</p>
      <p>
        <FormLink>Send us a new message</FormLink>
      </p>
    </section>
  );
}
