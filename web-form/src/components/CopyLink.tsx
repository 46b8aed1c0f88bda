import { useState } from "react";

/** Copies this page's whole address. Browsers allow it on secure pages only; elsewhere there is no button. */
export function CopyLink() {
  const [outcome, setOutcome] = useState<"" | "Copied" | "Please copy it from the address bar">("");
  // Typed as always there, and missing on plain http.
  const clipboard = navigator.clipboard as Clipboard | undefined;
  if (clipboard === undefined) return null;

  async function copy(target: Clipboard): Promise<void> {
    try {
      await target.writeText(window.location.href);
      setOutcome("Copied");
    } catch {
      setOutcome("Please copy it from the address bar");
    }
  }

  return (
    <>
      <button type="button" className="button-quiet" onClick={() => void copy(clipboard)}>
        Copy link
      </button>
      <span role="status" className="field-hint">
        {outcome}
      </span>
    </>
  );
}
