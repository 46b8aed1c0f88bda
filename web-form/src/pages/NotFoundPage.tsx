import { FormLink } from "../components/Frame";
import { useTitle } from "../useTitle";

/** For an address that is none of ours. */
export function NotFoundPage() {
  useTitle("Page not found");
  return (
    <section className="card">
      <h1 tabIndex={-1}>There is no page here</h1>
      <p>
        The address may be cut short. You can <FormLink>send us a message</FormLink> instead.
      </p>
    </section>
  );
}
