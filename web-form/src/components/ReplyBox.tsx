import { zodResolver } from "@hookform/resolvers/zod";
import { useEffect, useState } from "react";
import { useForm } from "react-hook-form";
import * as z from "zod/mini";
import { ApiError, sendReply } from "../api";
import { showFieldErrors } from "../fieldErrors";
import { LIMITS, replySchema } from "../schema";
import { forget, recall, remember } from "../session";
import { problemWords } from "../words";
import { CharacterCount } from "./CharacterCount";
import { Field } from "./Field";
import { Notice } from "./Notice";
import { SendButton } from "./SendButton";

interface ReplyBoxProps {
  reference: string;
  statusToken: string;
  onSent: (text: string) => void;
}

type Reply = z.infer<typeof replySchema>;

/** Where the customer writes on. What is typed survives a failure and a reload. */
export function ReplyBox({ reference, statusToken, onSent }: ReplyBoxProps) {
  const draft = `draft:${reference}`;
  const [problem, setProblem] = useState<ApiError | null>(null);
  const [sent, setSent] = useState(false);
  const { register, handleSubmit, setError, reset, subscribe, watch, formState } = useForm<Reply>({
    resolver: zodResolver(replySchema),
    defaultValues: { text: recall(draft, z.string()) ?? "" },
  });
  const { errors, isSubmitting } = formState;
  const text = watch("text");

  useEffect(
    () => subscribe({ formState: { values: true }, callback: ({ values }) => remember(draft, values.text) }),
    [subscribe, draft],
  );

  async function send(reply: Reply): Promise<void> {
    setProblem(null);
    setSent(false);
    try {
      await sendReply(reference, statusToken, reply.text);
      reset({ text: "" });
      forget(draft);
      setSent(true);
      onSent(reply.text);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!showFieldErrors(error, ["text"], setError)) setProblem(error);
    }
  }

  return (
    <form
      className="reply"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (!isSubmitting) void handleSubmit(send)(event);
      }}
    >
      <Field
        label="Write back"
        error={errors.text?.message}
        aside={text !== "" && <CharacterCount text={text} limit={LIMITS.message} />}
      >
        {(control) => <textarea {...control} {...register("text")} rows={3} aria-required="true" />}
      </Field>
      {problem && <Notice tone="problem">{problemWords(problem)}</Notice>}
      <p className="out-of-sight" role="status">
        {sent && "Your reply was sent."}
      </p>
      <div className="actions">
        <SendButton sending={isSubmitting}>{problem ? "Try again" : "Send reply"}</SendButton>
      </div>
    </form>
  );
}
