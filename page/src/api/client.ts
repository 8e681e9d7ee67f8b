import { storedKey } from "./key";
import type { Failure } from "./types";

/** An answer that is no success, in the service's own words. */
export class ServiceError extends Error {
  readonly status: number;
  readonly failure: Failure;

  constructor(status: number, failure: Failure) {
    super(failure.message);
    this.status = status;
    this.failure = failure;
  }
}

let onRefused: (() => void) | null = null;

/** Say what is to be done when the service refuses the key. */
export function whenRefused(action: (() => void) | null): void {
  onRefused = action;
}

interface Options {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: unknown;
  signal?: AbortSignal | undefined;
}

function unreachable(message: string): Failure {
  return { type: "unreachable", message, advice: "Check that the service runs, then try again.", request_id: "" };
}

/** Ask a route of the service that sent this page. */
export async function ask<T>(path: string, options: Options = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  const key = storedKey();
  if (key) headers["Authorization"] = `Bearer ${key}`;
  const init: RequestInit = { method: options.method ?? "GET", headers, cache: "no-store" };
  if (options.signal) init.signal = options.signal;
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ServiceError(0, unreachable("The service does not answer."));
  }
  if (answer.status === 204) return undefined as T;
  const record: unknown = await answer.json().catch((error: unknown) => {
    if (isAbort(error)) throw error; // an answer that is no longer wanted may be cut in its body
    return null;
  });
  if (answer.ok && record !== null) return record as T;
  if (answer.status === 401) onRefused?.();
  const failure = (record as { error?: Failure } | null)?.error;
  throw new ServiceError(answer.status, failure ?? unreachable(`The service answered ${answer.status}.`));
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Any error as one of the service. */
export function asServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error;
  return new ServiceError(0, unreachable(error instanceof Error ? error.message : String(error)));
}
