/** Ending a command that runs until it is told to stop. */

/**
 * A repetition within this time is the same Ctrl-C, ms: the terminal sends it to every process, and
 * npm passes its own on as well.
 */
const SAME_MS = 500;
/** What shells report for a process that was interrupted. */
const EXIT_INTERRUPTED = 130;

/**
 * A signal that aborts at the first Ctrl-C (SIGINT or SIGTERM), for an orderly end. A second one ends
 * the process at once.
 * @param atOnce called before that
 */
export function untilInterrupted(atOnce: () => void = () => undefined): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  const interrupt = () => {
    const now = performance.now();
    if (!controller.signal.aborted) {
      first = now;
      controller.abort();
    } else if (now - first > SAME_MS) {
      atOnce();
      process.exit(EXIT_INTERRUPTED);
    }
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return controller.signal;
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
