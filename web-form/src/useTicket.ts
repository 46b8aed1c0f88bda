import { useCallback, useEffect, useRef, useState } from "react";
import { type ApiError, readTicket } from "./api";
import { newAnswer, type SentReply, stillOnTheirWay, withReply } from "./conversation";
import type { Ticket } from "./schema";
import { type Watch, watch } from "./watch";
import { authorWords, stateWords } from "./words";

const FINAL_STATES = new Set(["TICKET_STATE_RESOLVED", "TICKET_STATE_CLOSED"]);

export interface FollowedTicket {
  /** The ticket as last seen; null before the first look succeeds. */
  ticket: Ticket | null;
  /** Why the last look failed; null when it did not. */
  problem: ApiError | null;
  /** Replies the desk accepted and does not show yet. */
  underWay: SentReply[];
  /** What has changed since the page was opened, for those who cannot see it change. */
  news: string;
  /** Tells the page that a reply was accepted. */
  replied: (text: string) => void;
}

/** Follows a ticket for as long as the page shows it. */
export function useTicket(reference: string, statusToken: string): FollowedTicket {
  const [ticket, setTicket] = useState<Ticket | null>(null);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const [news, setNews] = useState("");
  const [sent, setSent] = useState<SentReply[]>([]);
  const latest = useRef<{ ticket: Ticket | null; sent: SentReply[]; watch: Watch | null }>({
    ticket: null,
    sent: [],
    watch: null,
  });

  useEffect(() => {
    const now = latest.current;
    const watching = watch({
      load: () => readTicket(reference, statusToken),
      isSettled: (found) =>
        FINAL_STATES.has(found.state) && stillOnTheirWay(now.sent, found.messages).length === 0,
      onTicket(found) {
        const change = newsBetween(now.ticket, found);
        if (change !== null) setNews(change);
        now.ticket = found;
        setTicket(found);
        setProblem(null);
      },
      onProblem: setProblem,
    });
    now.watch = watching;
    return () => {
      watching.stop();
      now.ticket = null;
      now.sent = [];
    };
  }, [reference, statusToken]);

  const replied = useCallback((text: string) => {
    const now = latest.current;
    now.sent = withReply(now.sent, now.ticket?.messages ?? [], text);
    setSent(now.sent);
    now.watch?.wake();
  }, []);

  return { ticket, problem, underWay: stillOnTheirWay(sent, ticket?.messages ?? []), news, replied };
}

function newsBetween(before: Ticket | null, now: Ticket): string | null {
  if (before === null) return null;
  const answer = newAnswer(before.messages, now.messages);
  if (answer !== null) return `New answer from ${authorWords(answer.author)}: ${answer.text}`;
  if (before.state !== now.state)
    return `${stateWords(now.state).label}. ${stateWords(now.state).explanation}`;
  return null;
}
