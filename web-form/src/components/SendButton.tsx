interface SendButtonProps {
  sending: boolean;
  children: string;
}

/** Sends its form. While that is under way it keeps the focus and says so, and its form ignores further presses. */
export function SendButton({ sending, children }: SendButtonProps) {
  return (
    <button type="submit" className="button" aria-disabled={sending}>
      {sending ? "Sending…" : children}
    </button>
  );
}
