import type { Request } from "../api/types";
import { same } from "./request";
import { saidControl, saidWish, type Titles } from "./wording";

export interface Difference {
  sign: "+" | "−" | "→";
  text: string;
}

/** What a turn or an edit changed, a line a change. */
export function differences(before: Request, after: Request, noun: string, titles: Titles): Difference[] {
  const found: Difference[] = [];
  if (before.count !== after.count) found.push({ sign: "→", text: `${after.count} ${noun}` });
  const gone = before.controls.filter((one) => !after.controls.some((other) => same(one, other)));
  const come = after.controls.filter((one) => !before.controls.some((other) => same(one, other)));
  found.push(...gone.map((one) => ({ sign: "−" as const, text: saidControl(one, before.count, titles) })));
  found.push(...come.map((one) => ({ sign: "+" as const, text: saidControl(one, after.count, titles) })));
  const unwished = before.prefer.filter((one) => !after.prefer.some((other) => same(one, other)));
  const wished = after.prefer.filter((one) => !before.prefer.some((other) => same(one, other)));
  found.push(...unwished.map((one) => ({ sign: "−" as const, text: saidWish(one, titles) })));
  found.push(...wished.map((one) => ({ sign: "+" as const, text: saidWish(one, titles) })));
  const excluded = after.exclude.filter((id) => !before.exclude.includes(id));
  const readmitted = before.exclude.filter((id) => !after.exclude.includes(id));
  found.push(...excluded.map((id) => ({ sign: "+" as const, text: `without ${titles.get(id) ?? id}` })));
  found.push(...readmitted.map((id) => ({ sign: "−" as const, text: `without ${titles.get(id) ?? id}` })));
  if (!same(before.candidates, after.candidates)) {
    const text = after.candidates ? `only from ${after.candidates.length} ${noun}` : "from the whole catalogue";
    found.push({ sign: "→", text });
  }
  if (before.allow_seen !== after.allow_seen) {
    found.push({ sign: "→", text: after.allow_seen ? "seen ones may come again" : "nothing seen before" });
  }
  return found;
}
