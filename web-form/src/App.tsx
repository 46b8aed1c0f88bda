import { useEffect, useRef } from "react";
import { Frame } from "./components/Frame";
import { FormPage } from "./pages/FormPage";
import { NotFoundPage } from "./pages/NotFoundPage";
import { StatusPage } from "./pages/StatusPage";
import { readRoute, useAddress } from "./route";

/** The whole page: the form at `/`, a ticket's conversation at `/status/{reference}`. */
export function App() {
  const address = useAddress();
  useFocusOnNewPage(address);
  const [path = "", fragment = ""] = address.split(/#(.*)/s);
  const route = readRoute(path, fragment);
  return (
    <Frame wide={route.page === "form"}>
      {route.page === "form" && <FormPage />}
      {route.page === "status" && (
        <StatusPage key={address} reference={route.reference} statusToken={route.statusToken} />
      )}
      {route.page === "unknown" && <NotFoundPage />}
    </Frame>
  );
}

/** A changed page is announced by its heading; the first one by the browser itself. */
function useFocusOnNewPage(address: string): void {
  const shown = useRef(address);
  useEffect(() => {
    if (shown.current === address) return;
    shown.current = address;
    window.scrollTo(0, 0);
    document.querySelector("h1")?.focus({ preventScroll: true });
  }, [address]);
}
