import type { Cap, Condition, Control, Request, Scalar, Where } from "../api/types";
import { isCap, same } from "./request";

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
  const found = conditionOf(where);
  if (found === null) return null;
  const { column, condition } = found;
  const names = Object.keys(condition);
  if (names.length === 0 || !names.every((name) => name === "ge" || name === "le")) return null;
  return { column, least: condition.ge ?? null, greatest: condition.le ?? null };
}

function conditionOf(where: Where): { column: string; condition: Condition } | null {
  const entries = Object.entries(where);
  const [first] = entries;
  if (entries.length !== 1 || !first || (LOGIC as readonly string[]).includes(first[0])) return null;
  const [column, value] = first;
  return typeof value !== "object" || Array.isArray(value) ? null : { column, condition: value as Condition };
}

/** The column and path of `{"shelf": {"under": ["Home", "Kitchen"]}}`; null for anything else. */
export function path(where: Where): { column: string; under: string[] } | null {
  const found = conditionOf(where);
  const under = found?.condition.under;
  return found && under && Object.keys(found.condition).length === 1 ? { column: found.column, under } : null;
}

/** The column and words of `{"notes": {"contains": "jazz"}}`; null for anything else. */
export function piece(where: Where): { column: string; contains: string } | null {
  const found = conditionOf(where);
  const contains = found?.condition.contains;
  if (!found || contains === undefined || Object.keys(found.condition).length !== 1) return null;
  return { column: found.column, contains };
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

/** Place of the control over what lies under a path, the whole list through; -1 where there is none. */
export function placeOfPath(request: Request, column: string, under: string[]): number {
  return request.controls.findIndex((one: Control | Cap) => {
    if (isCap(one) || one.within) return false;
    const found = path(one.where);
    return found !== null && found.column === column && same(found.under, under);
  });
}

/** Place of the control that keeps the whole list to a piece of a text; -1 where there is none. */
export function placeOfPiece(request: Request, column: string): number {
  return request.controls.findIndex(
    (one: Control | Cap) => !isCap(one) && rulesAll(one) && piece(one.where)?.column === column,
  );
}

export function placeOfCap(request: Request, column: string): number {
  return request.controls.findIndex((one: Control | Cap) => isCap(one) && one.each === column);
}
