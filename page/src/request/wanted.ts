import type { Request, Where } from "../api/types";
import { boundsOf } from "./bounds";
import { isCap } from "./request";

function values(where: Where): string[] {
  return Object.entries(where).flatMap(([key, value]) => {
    if (key === "not" || key === "items") return [];
    if (key === "any" || key === "all") return (value as Where[]).flatMap(values);
    if (typeof value === "string" || typeof value === "number") return [String(value).toLowerCase()];
    if (Array.isArray(value)) return value.map((one) => String(one).toLowerCase());
    return [];
  });
}

/** Values that the request asks for, folded: those of controls with a lower bound, and of wishes. */
export function saidWanted(request: Request): ReadonlySet<string> {
  const asked = request.controls.flatMap((one) =>
    isCap(one) || boundsOf(one, request.count).lower === 0 ? [] : values(one.where),
  );
  const wished = request.prefer.flatMap((wish) => (wish.where && wish.weight > 0 ? values(wish.where) : []));
  return new Set([...asked, ...wished]);
}
