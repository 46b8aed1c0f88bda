import type * as z from "zod/mini";

// Some browsers refuse storage; then the page remembers until it is reloaded.
const memory = new Map<string, string>();

/** What was remembered under `name` in this tab, or null when there is nothing that fits `schema`. */
export function recall<T>(name: string, schema: z.ZodMiniType<T>): T | null {
  try {
    const stored = memory.get(name) ?? window.sessionStorage.getItem(name);
    return stored === null ? null : schema.parse(JSON.parse(stored));
  } catch {
    return null;
  }
}

/** Remembers `value` under `name` for as long as this tab is open, over reloads. */
export function remember(name: string, value: unknown): void {
  const text = JSON.stringify(value);
  try {
    window.sessionStorage.setItem(name, text);
    memory.delete(name);
  } catch {
    memory.set(name, text);
  }
}

/** Drops what was remembered under `name`. */
export function forget(name: string): void {
  memory.delete(name);
  try {
    window.sessionStorage.removeItem(name);
  } catch {
    // Refused storage holds nothing to remove.
  }
}
