import type { Cap, Condition, Control, Request, Scalar, Where } from "../api/types";
import { isCap } from "./request";

export const LOGIC = ["any", "all", "not", "items"] as const;

/** The one column and value of `{"categories": "Comedy"}`; null for anything richer. */
export function simple(where: Where): { column: string; value: Scalar } | null {
  const entries = Object.entries(where);
  const [first] = entries;
  if (entries.length !== 1 || !first || (LOGIC as readonly string[]).includes(first[0])) return null;
  const [column, value] = first;
  return typeof value === "string" || typeof value === "number" ? { column, value } : null;
}

export interface Range {
  column: string;
  least: Scalar | null;
  greatest: Scalar | null;
}

/** The column and ends of `{"year": {"ge": 1990, "le": 1999}}`; null for anything else. */
export function range(where: Where): Range | null {
  const entries = Object.entries(where);
  const [first] = entries;
  if (entries.length !== 1 || !first || (LOGIC as readonly string[]).includes(first[0])) return null;
  const [column, value] = first;
  if (typeof value !== "object" || Array.isArray(value)) return null;
  const condition = value as Condition;
  const names = Object.keys(condition);
  if (names.length === 0 || !names.every((name) => name === "ge" || name === "le")) return null;
  return { column, least: condition.ge ?? null, greatest: condition.le ?? null };
}

/** Whether a control rules the whole list: all of it, every place. */
export function rulesAll(control: Control): boolean {
  return (control.at_least === "all" || control.exactly === "all") && !control.within;
}

/** Place of the control over one value of a column, the whole list through; -1 where there is none. */
export function placeOfValue(request: Request, column: string, value: Scalar): number {
  return request.controls.findIndex((one: Control | Cap) => {
    if (isCap(one) || one.within) return false;
    const found = simple(one.where);
    return found !== null && found.column === column && found.value === value;
  });
}

/** Place of the control that keeps the whole list in a range of a column; -1 where there is none. */
export function placeOfRange(request: Request, column: string): number {
  return request.controls.findIndex(
    (one: Control | Cap) => !isCap(one) && rulesAll(one) && range(one.where)?.column === column,
  );
}

export function placeOfCap(request: Request, column: string): number {
  return request.controls.findIndex((one: Control | Cap) => isCap(one) && one.each === column);
}
