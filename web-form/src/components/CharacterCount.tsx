import { countCharacters } from "../schema";

interface CharacterCountProps {
  text: string;
  limit: number;
}

/** How much of a text's limit is used; silent for screen readers, whom the error tells when it is too much. */
export function CharacterCount({ text, limit }: CharacterCountProps) {
  const count = countCharacters(text);
  return (
    <p className={count > limit ? "count count-over" : "count"} aria-hidden="true">
      {count.toLocaleString("en")} / {limit.toLocaleString("en")}
    </p>
  );
}
