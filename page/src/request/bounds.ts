import type { Cap, Control, Share } from "../api/types";

/** How many items of the list, or of a stretch of it, must and may be of the set. */
export interface Bounds {
  lower: number;
  upper: number;
}

const SIDES = [
  "at_least",
  "at_most",
  "exactly",
  "share_at_least",
  "share_at_most",
  "share_more_than",
  "share_less_than",
  "share_about",
] as const;

/** A share as a fraction: "3/10" and 0.3 alike, counted by its decimal text. */
function fraction(share: Share): [number, number] {
  const [top, bottom] = String(share).split("/");
  if (bottom !== undefined) return [Number(top), Number(bottom)];
  const decimals = (String(share).split(".")[1] ?? "").length;
  return [Math.round(Number(share) * 10 ** decimals), 10 ** decimals];
}

function floorOf(share: Share, k: number): number {
  const [top, bottom] = fraction(share);
  return Math.floor((top * k) / bottom);
}

function ceilOf(share: Share, k: number): number {
  const [top, bottom] = fraction(share);
  return Math.ceil((top * k) / bottom);
}

function about(share: Share, k: number): Bounds {
  const [top, bottom] = fraction(share);
  const nearest = Math.floor((2 * top * k + bottom) / (2 * bottom));
  const tolerance = Math.ceil(k / 10);
  let lower = Math.max(0, nearest - tolerance);
  let upper = Math.min(k, nearest + tolerance);
  if (k >= 2) {
    if (top > 0) lower = Math.max(lower, 1);
    if (top < bottom) upper = Math.min(upper, k - 1);
  }
  return { lower, upper };
}

/** Items of the list, or of the stretch, that a control speaks of. */
export function lengthOf(control: Control, count: number): number {
  return control.within ? control.within[1] - control.within[0] + 1 : count;
}

/** The same numbers as `Control.bounds` of the service. */
export function boundsOf(control: Control, count: number): Bounds {
  const k = lengthOf(control, count);
  const amount = (value: number | "all") => (value === "all" ? k : value);
  let bounds: Bounds = { lower: 0, upper: k };
  if (control.exactly != null) bounds = { lower: amount(control.exactly), upper: amount(control.exactly) };
  if (control.share_about != null) bounds = about(control.share_about, k);
  if (control.at_least != null) bounds.lower = amount(control.at_least);
  if (control.share_at_least != null) bounds.lower = ceilOf(control.share_at_least, k);
  if (control.share_more_than != null) bounds.lower = floorOf(control.share_more_than, k) + 1;
  if (control.at_most != null) bounds.upper = control.at_most;
  if (control.share_at_most != null) bounds.upper = floorOf(control.share_at_most, k);
  if (control.share_less_than != null) bounds.upper = ceilOf(control.share_less_than, k) - 1;
  return { lower: bounds.lower, upper: Math.min(bounds.upper, k) };
}

/** A control with other bounds, in numbers of items; bounds that allow everything stay as "at least 0". */
export function withBounds(control: Control, bounds: Bounds, count: number): Control {
  const k = lengthOf(control, count);
  const rest = Object.fromEntries(
    Object.entries(control).filter(([name]) => !SIDES.includes(name as (typeof SIDES)[number])),
  ) as unknown as Control;
  const { lower, upper } = bounds;
  if (lower <= 0 && upper >= k) return { ...rest, at_least: 0 };
  if (lower >= k) return { ...rest, at_least: "all" };
  if (lower === upper && lower > 0) return { ...rest, exactly: lower };
  return {
    ...rest,
    ...(lower > 0 ? { at_least: lower } : {}),
    ...(upper < k ? { at_most: upper } : {}),
  };
}

export function limitOf(cap: Cap, count: number): number {
  if (cap.at_most != null) return Math.min(cap.at_most, count);
  return cap.share_at_most == null ? count : floorOf(cap.share_at_most, count);
}
