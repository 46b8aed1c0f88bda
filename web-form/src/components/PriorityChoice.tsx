import { useId } from "react";
import type { UseFormRegisterReturn } from "react-hook-form";
import { PRIORITIES } from "../schema";
import { PRIORITY_WORDS } from "../words";

interface PriorityChoiceProps {
  control: UseFormRegisterReturn;
  error?: string | undefined;
}

/** Three buttons of which one is down: how urgent it is. */
export function PriorityChoice({ control, error }: PriorityChoiceProps) {
  const errorId = useId();
  return (
    <fieldset className="field" aria-describedby={error && errorId}>
      <legend>How urgent is it?</legend>
      <div className="choices">
        {PRIORITIES.map((priority) => (
          <label className="choice" key={priority}>
            <input type="radio" value={priority} {...control} />
            <span className="choice-label">{PRIORITY_WORDS[priority].label}</span>
            <span className="choice-hint">{PRIORITY_WORDS[priority].hint}</span>
          </label>
        ))}
      </div>
      {error && (
        <p className="field-error" id={errorId}>
          {error}
        </p>
      )}
    </fieldset>
  );
}
