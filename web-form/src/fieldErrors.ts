import type { FieldPath, FieldValues, UseFormSetError } from "react-hook-form";
import type { ApiError } from "./api";

/**
 * Puts the server's field violations at the fields of a form, the first of them focused.
 *
 * Returns whether each one found its field; the rest is for the caller to say. A violation names its field by its
 * path in the request (`submission.email`); the last part is the form's own name for it.
 */
export function showFieldErrors<Fields extends FieldValues>(
  problem: ApiError,
  fields: readonly FieldPath<Fields>[],
  setError: UseFormSetError<Fields>,
): boolean {
  let focused = false;
  let placed = 0;
  for (const { field, description } of problem.violations) {
    const name = fields.find((known) => known === field.split(".").at(-1));
    if (name === undefined) continue;
    setError(
      name,
      { type: "server", message: description || "Please check this." },
      { shouldFocus: !focused },
    );
    focused = true;
    placed += 1;
  }
  return placed > 0 && placed === problem.violations.length;
}
