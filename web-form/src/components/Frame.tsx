import type { MouseEvent, ReactNode } from "react";
import mark from "../mark.svg";
import { navigate } from "../route";
import { COMPANY } from "../words";

interface FrameProps {
  wide: boolean;
  children: ReactNode;
}

/** What stands around every page: the company's name above, the house rules below. */
export function Frame({ wide, children }: FrameProps) {
  return (
    <div className={wide ? "frame frame-wide" : "frame"}>
      <header className="masthead">
        <FormLink className="brand">
          <img src={mark} alt="" width="32" height="32" />
          <span>
            {COMPANY} <span className="brand-part">Support</span>
          </span>
        </FormLink>
      </header>
      <main>{children}</main>
      <footer className="footnote">
        An assistant answers first; a person is always one message away. Please never send us a password.
      </footer>
    </div>
  );
}

interface FormLinkProps {
  className?: string;
  children: ReactNode;
}

/** A link to an empty form that does not load the page anew. */
export function FormLink({ className, children }: FormLinkProps) {
  function follow(event: MouseEvent) {
    // Opening in a new tab or window stays the browser's own business.
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate("/");
  }
  return (
    <a href="/" className={className} onClick={follow}>
      {children}
    </a>
  );
}
