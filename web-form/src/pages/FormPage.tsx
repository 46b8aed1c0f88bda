import { zodResolver } from "@hookform/resolvers/zod";
import { useEffect, useState } from "react";
import { useForm } from "react-hook-form";
import { ApiError, submitForm } from "../api";
import { CharacterCount } from "../components/CharacterCount";
import { Field } from "../components/Field";
import { Notice } from "../components/Notice";
import { PriorityChoice } from "../components/PriorityChoice";
import { SendButton } from "../components/SendButton";
import { showFieldErrors } from "../fieldErrors";
import { navigate, statusPath } from "../route";
import {
  CATEGORIES,
  type Draft,
  draftSchema,
  EMPTY_DRAFT,
  LIMITS,
  type Submission,
  submissionSchema,
} from "../schema";
import { forget, recall, remember } from "../session";
import { useTitle } from "../useTitle";
import { CATEGORY_WORDS, problemWords } from "../words";

const DRAFT = "draft:form";
const FIELDS = ["name", "email", "subject", "category", "priority", "message"] as const;

/** The support form. What is typed survives a failure and a reload; once accepted, the page moves to the ticket's. */
export function FormPage() {
  useTitle("Ask us anything");
  const [problem, setProblem] = useState<ApiError | null>(null);
  const { register, handleSubmit, setError, subscribe, watch, formState } = useForm<
    Draft,
    unknown,
    Submission
  >({
    resolver: zodResolver(submissionSchema),
    defaultValues: recall(DRAFT, draftSchema) ?? EMPTY_DRAFT,
    mode: "onTouched",
  });
  const { errors, isSubmitting } = formState;
  const errorCount = FIELDS.filter((name) => errors[name] !== undefined).length;

  useEffect(
    () =>
      subscribe({
        formState: { values: true },
        // Only a filter fills the honeypot; it is asked again after a reload.
        callback: ({ values }) => remember(DRAFT, { ...values, website: "" }),
      }),
    [subscribe],
  );

  async function send(submission: Submission): Promise<void> {
    setProblem(null);
    try {
      const { reference, statusToken } = await submitForm(submission);
      forget(DRAFT);
      navigate(statusPath(reference, statusToken), { sent: true });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!showFieldErrors(error, FIELDS, setError)) setProblem(error);
    }
  }

  return (
    <div className="columns">
      <section className="welcome">
        <h1 tabIndex={-1}>How can we help?</h1>
        <p className="lead">Tell us what you need. You get a page of your own where the answer appears.</p>
        <ol className="steps">
          <li>
            <strong>Write to us</strong> in your own words, in any language.
          </li>
          <li>
            <strong>Read the answer</strong> on your page, often within a minute.
          </li>
          <li>
            <strong>Write back</strong> there if something is missing. A person steps in when it takes one.
          </li>
        </ol>
      </section>

      <form
        className="card"
        noValidate
        aria-label="Support request"
        onSubmit={(event) => {
          event.preventDefault();
          if (!isSubmitting) void handleSubmit(send)(event);
        }}
      >
        <div className="pair">
          <Field label="Your name" error={errors.name?.message}>
            {(control) => (
              <input
                {...control}
                {...register("name")}
                type="text"
                autoComplete="name"
                aria-required="true"
              />
            )}
          </Field>
          <Field label="E-mail" error={errors.email?.message}>
            {(control) => (
              <input
                {...control}
                {...register("email")}
                type="email"
                autoComplete="email"
                autoCapitalize="none"
                spellCheck={false}
                aria-required="true"
              />
            )}
          </Field>
        </div>
        <Field label="Subject" error={errors.subject?.message}>
          {(control) => <input {...control} {...register("subject")} type="text" aria-required="true" />}
        </Field>
        <Field label="What is it about?" error={errors.category?.message}>
          {(control) => (
            <select {...control} {...register("category")} aria-required="true">
              <option value="" disabled>
                Please choose
              </option>
              {CATEGORIES.map((category) => (
                <option key={category} value={category}>
                  {CATEGORY_WORDS[category]}
                </option>
              ))}
            </select>
          )}
        </Field>
        <PriorityChoice control={register("priority")} error={errors.priority?.message} />
        <Field
          label="Your message"
          hint="What did you try, and what happened?"
          error={errors.message?.message}
          aside={<CharacterCount text={watch("message")} limit={LIMITS.message} />}
        >
          {(control) => <textarea {...control} {...register("message")} rows={7} aria-required="true" />}
        </Field>

        <div className="out-of-sight" aria-hidden="true">
          <label>
            Leave this empty
            <input {...register("website")} type="text" tabIndex={-1} autoComplete="off" />
          </label>
        </div>

        {problem && <Notice tone="problem">{problemWords(problem)}</Notice>}
        <p className="out-of-sight" role="status">
          {formState.submitCount > 0 && errorCount > 0 && fieldsToMend(errorCount)}
        </p>
        <div className="actions">
          <SendButton sending={isSubmitting}>{problem ? "Try again" : "Send message"}</SendButton>
          <p className="field-hint">You need no account.</p>
        </div>
      </form>
    </div>
  );
}

function fieldsToMend(count: number): string {
  return count === 1 ? "One field needs another look." : `${count} fields need another look.`;
}
