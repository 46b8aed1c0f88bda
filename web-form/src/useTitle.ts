import { useEffect } from "react";
import { COMPANY } from "./words";

/** Names the browser's tab. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · ${COMPANY} Support`;
  }, [title]);
}
