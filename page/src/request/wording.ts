import type { Cap, Condition, Control, Request, Scalar, Where, Wish } from "../api/types";
import { limitOf } from "./bounds";
import { isCap } from "./request";
import { LOGIC, range, rulesAll } from "./where";

/** Names of items by id, for requests that name items. */
export type Titles = ReadonlyMap<string, string>;

const NONE: Titles = new Map();

function listed(values: Scalar[], word: string): string {
  if (values.length <= 1) return String(values[0] ?? "");
  return `${values.slice(0, -1).join(", ")} ${word} ${values[values.length - 1]}`;
}

function saidCondition(column: string, value: Scalar | Scalar[] | Condition): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return `${column} ${value}`;
  if (Array.isArray(value)) return listed(value, "or");
  const parts: string[] = [];
  if (value.all_of) parts.push(listed(value.all_of, "and"));
  if (value.ge !== undefined && value.le !== undefined) {
    parts.push(value.ge === value.le ? `${column} ${value.ge}` : `${column} ${value.ge}–${value.le}`);
  } else {
    if (value.ge !== undefined) parts.push(`${column} from ${value.ge}`);
    if (value.le !== undefined) parts.push(`${column} up to ${value.le}`);
  }
  if (value.gt !== undefined) parts.push(`${column} over ${value.gt}`);
  if (value.lt !== undefined) parts.push(`${column} under ${value.lt}`);
  if (value.contains !== undefined) parts.push(`${column} with “${value.contains}”`);
  if (value.under) parts.push(value.under.join(" › "));
  if (value.is_null !== undefined) parts.push(value.is_null ? `no ${column}` : `known ${column}`);
  return parts.join(", ");
}

/** A set of items in a few words: "Comedy", "year 1990–1999", "not Horror". */
export function saidWhere(where: Where, titles: Titles = NONE): string {
  const parts = Object.entries(where).map(([key, value]) => {
    if (key === "any") return (value as Where[]).map((one) => saidWhere(one, titles)).join(" or ");
    if (key === "all") return (value as Where[]).map((one) => saidWhere(one, titles)).join(" and ");
    if (key === "not") return `not ${saidWhere(value as Where, titles)}`;
    if (key === "items") return listed((value as string[]).map((id) => titles.get(id) ?? id), "or");
    return saidCondition(key, value as Scalar | Scalar[] | Condition);
  });
  return parts.join(" · ");
}

function percent(share: number | string): string {
  const [top, bottom] = String(share).split("/");
  const value = bottom === undefined ? Number(top) : Number(top) / Number(bottom);
  return `${Number((100 * value).toFixed(1))} %`;
}

/** The bounds of a control in a few words: "at least 5", "none", "only". */
export function saidBounds(control: Control): string {
  const { at_least, at_most, exactly } = control;
  if (at_least === "all" || exactly === "all") return "only";
  if ((at_most === 0 && at_least == null) || exactly === 0) return "no";
  if (exactly != null) return `exactly ${exactly}`;
  if (at_least === 0 && at_most == null) return "any number of";
  const parts: string[] = [];
  if (at_least != null && at_most != null) return `${at_least} to ${at_most}`;
  if (at_least != null) parts.push(`at least ${at_least}`);
  if (control.share_at_least != null) parts.push(`at least ${percent(control.share_at_least)}`);
  if (control.share_more_than != null) parts.push(`more than ${percent(control.share_more_than)}`);
  if (at_most != null) parts.push(`at most ${at_most}`);
  if (control.share_at_most != null) parts.push(`at most ${percent(control.share_at_most)}`);
  if (control.share_less_than != null) parts.push(`less than ${percent(control.share_less_than)}`);
  if (control.share_about != null) parts.push(`about ${percent(control.share_about)}`);
  return parts.join(", ");
}

/** The name of a column for one of its values: "category" of "categories". */
export function singular(column: string): string {
  if (column.endsWith("ies")) return `${column.slice(0, -3)}y`;
  return column.endsWith("s") && !column.endsWith("ss") ? column.slice(0, -1) : column;
}

export function saidPlace(control: Control): string {
  if (!control.within) return "";
  const [first, last] = control.within;
  return first === last ? ` at place ${first}` : ` at places ${first}–${last}`;
}

/** A control in a few words: "at least 5 Comedy". */
export function saidControl(one: Control | Cap, count: number, titles: Titles = NONE): string {
  if (isCap(one)) return `at most ${limitOf(one, count)} of one ${singular(one.each)}`;
  const what = saidWhere(one.where, titles) + saidPlace(one);
  return rulesAll(one) && range(one.where) !== null ? what : `${saidBounds(one)} ${what}`;
}

export function saidWish(wish: Wish, titles: Titles = NONE): string {
  const what = wish.where ? saidWhere(wish.where, titles) : `like ${saidWhere({ items: wish.like ?? [] }, titles)}`;
  return `${wish.weight < 0 ? "less" : "more"} ${what}`;
}

/** Whether a key of a set is a column. */
export function isColumn(key: string): boolean {
  return !(LOGIC as readonly string[]).includes(key);
}

/** How long the list is, in words. */
export function saidCount(request: Request, noun: string): string {
  return `${request.count} ${noun}`;
}
