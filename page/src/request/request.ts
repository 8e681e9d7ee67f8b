import type { Cap, Control, Request, Turn, Wish } from "../api/types";

export const EMPTY: Request = {
  count: 10,
  controls: [],
  prefer: [],
  candidates: null,
  exclude: [],
  allow_seen: false,
  seed: null,
};

export function isCap(one: Control | Cap): one is Cap {
  return "each" in one;
}

/** A request without the nulls that say nothing; what is copied and kept in the address. */
export function compact(request: Request): Partial<Request> {
  const tidy = <T extends object>(one: T): T =>
    Object.fromEntries(Object.entries(one).filter(([, value]) => value !== null)) as T;
  const short: Partial<Request> = { count: request.count };
  if (request.controls.length > 0) short.controls = request.controls.map(tidy);
  if (request.prefer.length > 0) short.prefer = request.prefer.map(tidy);
  if (request.candidates !== null) short.candidates = request.candidates;
  if (request.exclude.length > 0) short.exclude = request.exclude;
  if (request.allow_seen) short.allow_seen = true;
  if (request.seed !== null) short.seed = request.seed;
  return short;
}

export function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** The words that asked for a control last; null where none did, as after an edit. */
export function wordsOf(control: Control | Cap, turns: Turn[]): string | null {
  const quotes = turns.flatMap((turn) => turn.quotes ?? []);
  return quotes.findLast((quote) => same(quote.control, control))?.words ?? null;
}

export function withControl(request: Request, place: number, control: Control | Cap | null): Request {
  const controls =
    control === null
      ? request.controls.filter((_, index) => index !== place)
      : request.controls.map((one, index) => (index === place ? control : one));
  return { ...request, controls };
}

export function addControl(request: Request, control: Control | Cap): Request {
  return { ...request, controls: [...request.controls, control] };
}

export function withWish(request: Request, place: number, wish: Wish | null): Request {
  const prefer =
    wish === null
      ? request.prefer.filter((_, index) => index !== place)
      : request.prefer.map((one, index) => (index === place ? wish : one));
  return { ...request, prefer };
}

/** A new length; stretches that would end behind the list are cut, or go with it. */
export function withCount(request: Request, count: number): Request {
  const controls = request.controls.flatMap((one) => {
    if (isCap(one) || !one.within || one.within[1] <= count) return [one];
    if (one.within[0] > count) return [];
    return [{ ...one, within: [one.within[0], count] as [number, number] }];
  });
  return { ...request, count, controls };
}

export function withoutItem(request: Request, itemId: string): Request {
  return { ...request, exclude: [...new Set([...request.exclude, itemId])] };
}
