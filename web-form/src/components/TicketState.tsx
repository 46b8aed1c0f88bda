import { stateWords } from "../words";

interface TicketStateProps {
  state: string;
}

/** Where the ticket stands, in words. */
export function TicketState({ state }: TicketStateProps) {
  const { label, explanation, tone } = stateWords(state);
  return (
    <div className={`state state-${tone}`}>
      <p className="state-label">
        <span className="state-dot" aria-hidden="true" />
        {label}
      </p>
      <p>{explanation}</p>
    </div>
  );
}
