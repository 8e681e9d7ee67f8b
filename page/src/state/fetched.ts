import { useEffect, useState } from "react";
import { asServiceError, isAbort, type ServiceError } from "../api/client";

export interface Fetched<T> {
  /** The newest answer; kept while the next one is made. */
  value: T | null;
  busy: boolean;
  problem: ServiceError | null;
  cancel: () => void;
  again: () => void;
}

/** What a route answers, asked anew when `key` changes; null: nothing is asked. */
export function useFetched<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>): Fetched<T> {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState<ServiceError | null>(null);
  const [running, setRunning] = useState<AbortController | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (key === null) return undefined;
    const controller = new AbortController();
    setRunning(controller);
    setProblem(null);
    load(controller.signal)
      .then(setValue, (error: unknown) => {
        if (!isAbort(error)) setProblem(asServiceError(error));
      })
      .finally(() => setRunning((now) => (now === controller ? null : now)));
    return () => controller.abort();
    // `load` is made anew on every render; `key` says when its question differs
  }, [key, round]);
  return {
    value,
    busy: running !== null,
    problem,
    cancel: () => running?.abort(),
    again: () => setRound((number) => number + 1),
  };
}
