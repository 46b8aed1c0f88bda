import { useSyncExternalStore } from "react";

/** Where the visitor is: the form, a ticket's status page, or nowhere we know. */
export type Route =
  | { page: "form" }
  | { page: "status"; reference: string; statusToken: string }
  | { page: "unknown" };

/** The address of a ticket's page. The token stands in the fragment, which browsers send to no server. */
export function statusPath(reference: string, statusToken: string): string {
  return `/status/${encodeURIComponent(reference)}#${encodeURIComponent(statusToken)}`;
}

/** Reads an address; a token that is missing or broken comes out as "". */
export function readRoute(path: string, fragment: string): Route {
  if (path === "/" || path === "/index.html") return { page: "form" };
  const reference = /^\/status\/(TKT-[0-9A-Z]{6})\/?$/i.exec(path)?.[1];
  if (reference === undefined) return { page: "unknown" };
  const token = decoded(fragment.replace(/^#/, ""));
  // Anything else could not travel in a header.
  return { page: "status", reference, statusToken: /^[\w.~+/=-]{1,512}$/.test(token) ? token : "" };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

/** What `navigate` may leave with a page; it survives a reload. */
export interface Arrival {
  sent?: boolean;
}

/** Goes to a page of ours without loading it anew. */
export function navigate(address: string, arrival: Arrival = {}): void {
  window.history.pushState(arrival, "", address);
  window.dispatchEvent(new PopStateEvent("popstate"));
}

/** How the visitor came to this page. */
export function arrival(): Arrival {
  return (window.history.state as Arrival | null) ?? {};
}

function subscribe(changed: () => void): () => void {
  // popstate comes for back and forward, and for a link to the same page with another fragment.
  window.addEventListener("popstate", changed);
  return () => window.removeEventListener("popstate", changed);
}

/** The current address, followed as it changes: `path#fragment`. */
export function useAddress(): string {
  return useSyncExternalStore(subscribe, () => window.location.pathname + window.location.hash);
}
