import type { Change, Relaxation, Request } from "../api/types";
import { boundsOf, lengthOf, withBounds } from "./bounds";
import { isCap, withCount } from "./request";
import { saidControl, saidWhere, singular, type Titles } from "./wording";

/** The nearest request that can be satisfied, as the service offered it; null where it offered none. */
export function relaxed(request: Request, relaxation: Relaxation): Request | null {
  if (relaxation.changes.length > 0) {
    const controls = request.controls.flatMap((one, place) => {
      const changes = relaxation.changes.filter((change) => change.control === place);
      if (changes.length === 0) return [one];
      if (isCap(one)) return [{ each: one.each, at_most: changes[0]?.new ?? request.count }];
      const bounds = boundsOf(one, request.count);
      for (const change of changes) {
        if (change.bound === "lower") bounds.lower = change.new;
        else bounds.upper = change.new;
      }
      const isFree = bounds.lower <= 0 && bounds.upper >= lengthOf(one, request.count);
      return isFree ? [] : [withBounds(one, bounds, request.count)];
    });
    return { ...request, controls };
  }
  return relaxation.largest_count ? withCount(request, relaxation.largest_count) : null;
}

function saidChange(change: Change, request: Request, titles: Titles): string {
  const control = request.controls[change.control];
  if (!control) return "";
  const free = change.bound === "lower" ? change.new <= 0 : change.new >= request.count;
  if (free) return `without “${saidControl(control, request.count, titles)}”`;
  if (isCap(control)) return `${change.new} of one ${singular(control.each)} instead of ${change.old}`;
  const side = change.bound === "lower" ? "at least" : "at most";
  return `${side} ${change.new} ${saidWhere(control.where, titles)} instead of ${change.old}`;
}

/** What the relaxation does, for the button that takes it. */
export function saidRelaxation(relaxation: Relaxation, request: Request, noun: string, titles: Titles): string {
  if (relaxation.changes.length > 0) {
    return relaxation.changes.map((change) => saidChange(change, request, titles)).join(", and ");
  }
  return `${relaxation.largest_count} ${noun} instead of ${request.count}`;
}
