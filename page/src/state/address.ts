import type { Request } from "../api/types";
import { compact, EMPTY } from "../request/request";

export const VIEWS = ["recommend", "compare", "people", "run"] as const;
export type View = (typeof VIEWS)[number];

/** What the address of the page holds, behind "#": it never reaches a server, and it can be sent to others. */
export interface Address {
  view: View;
  userId: string | null;
  /** Item ids of an edited history; null: the stored one. */
  history: string[] | null;
  request: Request | null;
}

/** JSON that people may have changed; null where it is none. */
function parsed(text: string | null): unknown {
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

export function readAddress(hash: string): Address {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const view = VIEWS.find((one) => one === fields.get("view")) ?? "recommend";
  const request = parsed(fields.get("request"));
  const history = fields.get("history");
  return {
    view,
    userId: fields.get("user"),
    history: history === null ? null : history.split(",").filter(Boolean).map(decodeURIComponent),
    request: request !== null && typeof request === "object" ? { ...EMPTY, ...(request as Partial<Request>) } : null,
  };
}

export function writeAddress(address: Address): string {
  const fields = new URLSearchParams();
  if (address.view !== "recommend") fields.set("view", address.view);
  if (address.userId !== null) fields.set("user", address.userId);
  if (address.history !== null) fields.set("history", address.history.map(encodeURIComponent).join(","));
  if (address.request !== null) fields.set("request", JSON.stringify(compact(address.request)));
  return fields.toString().replaceAll("%2C", ",").replaceAll("%3A", ":"); // both may stand there as they are
}
