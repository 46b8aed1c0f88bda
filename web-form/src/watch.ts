import { ApiError } from "./api";
import type { Ticket } from "./schema";

const DELAY_FIRST_MS = 1_000;
const DELAY_MAX_MS = 10_000;
const DELAY_GROWTH = 1.5;
// However long a server asks us to wait, an open page is looked after again within this.
const PAUSE_MAX_MS = 300_000;

interface Watched {
  load: () => Promise<Ticket>;
  /** True once nothing more can come of looking again. */
  isSettled: (ticket: Ticket) => boolean;
  onTicket: (ticket: Ticket) => void;
  onProblem: (problem: ApiError) => void;
}

export interface Watch {
  /** Looks again now, and often at first: something is about to change. */
  wake: () => void;
  /** Ends the watch; a look still under way reports nothing. */
  stop: () => void;
}

/**
 * Looks at a ticket until it is settled, refused, or `stop`ped.
 *
 * A second after the first look, then ever less often up to every ten; sooner again when something changed. A hidden
 * tab does not look, and looks at once when it is shown. After a failure it goes on, no sooner than the server asked.
 */
export function watch({ load, isSettled, onTicket, onProblem }: Watched): Watch {
  let delay = DELAY_FIRST_MS;
  let timer: number | undefined;
  let seen = "";
  let looking = false;
  let wokenMeanwhile = false;
  let resting = false;
  let ended = false;

  async function look(): Promise<void> {
    window.clearTimeout(timer);
    if (ended || document.hidden) return;
    if (looking) {
      wokenMeanwhile = true;
      return;
    }
    looking = true;
    const pause = await attempt().finally(() => {
      looking = false;
    });
    if (ended) return;
    resting = pause === null;
    if (wokenMeanwhile) {
      wokenMeanwhile = false;
      void look();
    } else if (pause !== null) {
      timer = window.setTimeout(look, pause);
    }
  }

  /** One look; how long to wait for the next in milliseconds, or null for no next. */
  async function attempt(): Promise<number | null> {
    try {
      const ticket = await load();
      if (ended) return null;
      const found = JSON.stringify(ticket);
      const pause = found === seen ? delay : DELAY_FIRST_MS;
      seen = found;
      delay = Math.min(pause * DELAY_GROWTH, DELAY_MAX_MS);
      onTicket(ticket);
      return isSettled(ticket) ? null : pause;
    } catch (error) {
      if (ended) return null;
      if (!(error instanceof ApiError)) throw error;
      onProblem(error);
      if (!error.isPassing) return null;
      const pause = Math.max(delay, Math.min(1_000 * (error.retryAfterSeconds ?? 0), PAUSE_MAX_MS));
      delay = Math.min(delay * DELAY_GROWTH, DELAY_MAX_MS);
      return pause;
    }
  }

  function wake(): void {
    delay = DELAY_FIRST_MS;
    void look();
  }

  function visibilityChanged(): void {
    if (document.hidden) window.clearTimeout(timer);
    else if (!resting) wake();
  }

  document.addEventListener("visibilitychange", visibilityChanged);
  void look();
  return {
    wake,
    stop() {
      ended = true;
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", visibilityChanged);
    },
  };
}
